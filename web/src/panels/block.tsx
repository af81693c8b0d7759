import type { BlockDetail } from '../api/types';
import { bytes, count, duration } from '../model/time';
import { useStore } from '../parts/context';
import { Fact } from './selection';

/** A request of the host's. */
export function Block({ detail }: { detail: BlockDetail }) {
  const store = useStore();
  return (
    <dl class="facts">
      <Fact name="for">{store.machineName(detail.machine)}</Fact>
      <Fact name="what">
        {detail.direction} of {bytes(detail.bytes)}
      </Fact>
      <Fact name="where">
        {detail.device}, sector {count(detail.sector)}
      </Fact>
      <Fact name="queued">{duration(detail.issued - detail.from)}</Fact>
      <Fact name="with the device">{duration(detail.until - detail.issued)}</Fact>
    </dl>
  );
}
