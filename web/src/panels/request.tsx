// A guest's request, and what became of it.

import type { QemuCall, RequestDetail, WaitedBehind } from '../api/types';
import { inkOn, machineColour, phaseColour } from '../draw/theme';
import { phaseMeaning } from '../model/states';
import { bytes, count, duration, moment, percent } from '../model/time';
import { goTo, goToHost } from '../state/actions';
import { useStore } from '../parts/context';
import { Events } from './events';
import { Fact } from './selection';

const kTies: Record<string, string> = {
  address: 'by the place of its bytes: exact',
  order: 'by the order of things: likely',
  qemu: 'by QEMU’s own probes: exact as far as QEMU',
  'no-host-io': 'the host needed no request of its own for it',
  lost: 'not, since the host lost events then',
  untied: 'not: nobody knows what it became',
};

function Phases({ detail }: { detail: RequestDetail }) {
  const store = useStore();
  const theme = store.theme.value;
  const total = Math.max(detail.until - detail.from, 1);
  return (
    <>
      <h4>Phases</h4>
      <div
        class="phase-bar"
        role="img"
        aria-label={detail.phases
          .map((p) => `${phaseMeaning(p.name).name} ${percent((p.until - p.from) / total)}`)
          .join(', ')}
      >
        {detail.phases.map((phase) => {
          const part = (phase.until - phase.from) / total;
          const colour = phaseColour(theme, phase.name);
          return (
            <span
              style={{ width: `${part * 100}%`, background: colour, color: inkOn(colour) }}
              title={`${phaseMeaning(phase.name).name}: ${duration(phase.until - phase.from)}`}
            >
              {part > 0.16 ? phaseMeaning(phase.name).name : ''}
            </span>
          );
        })}
      </div>
      <table class="phases">
        <tbody>
          {detail.phases.map((phase) => (
            <tr title={phaseMeaning(phase.name).text}>
              <td>
                <span class="dot" style={{ background: phaseColour(theme, phase.name) }} />{' '}
                {phaseMeaning(phase.name).name}
                <div class="muted small-text">{phaseMeaning(phase.name).text}</div>
              </td>
              <td class="number">{duration(phase.until - phase.from)}</td>
              <td class="number">{percent((phase.until - phase.from) / total)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Behind({ list, total }: { list: WaitedBehind[]; total: number }) {
  const store = useStore();
  if (!list.length) return <p class="muted">Nobody else’s request was with the device meanwhile.</p>;
  return (
    <table class="behind">
      <tbody>
        {list.map((one) => (
          <tr>
            <td>
              <button class="link" onClick={() => void goToHost(store, one)} title="Show it on the timeline">
                <span class="dot" style={{ background: machineColour(store.theme.value, one.machine) }} />{' '}
                {store.machineName(one.machine)} {one.comm}
              </button>
              <div class="muted small-text">
                {one.direction} of {bytes(one.bytes)}, {duration(one.until - one.from)} long
              </div>
            </td>
            <td class="number">
              {duration(one.overlap_ns)}
              <div
                class="bar"
                style={{
                  width: `${Math.min(1, one.overlap_ns / total) * 100}%`,
                  background: machineColour(store.theme.value, one.machine),
                }}
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Calls({ list }: { list: QemuCall[] }) {
  const store = useStore();
  if (!list.length) return null;
  return (
    <>
      <h4>QEMU’s system calls</h4>
      <table>
        <tbody>
          {list.map((call) => (
            <tr>
              <td>
                {call.track >= 0 ? (
                  <button
                    class="link"
                    onClick={() =>
                      void goTo(store, { track: call.track, from: call.from, until: call.until, row: 0 }, false)
                    }
                  >
                    {call.name}
                  </button>
                ) : (
                  call.name
                )}{' '}
                <span class="muted">thread {call.thread}</span>
              </td>
              <td class="number">{moment(call.from, 1)}</td>
              <td class="number">{duration(call.until - call.from)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

export function Request({ detail }: { detail: RequestDetail }) {
  const store = useStore();
  const total = Math.max(detail.until - detail.from, 1);
  return (
    <>
      <dl class="facts">
        <Fact name="what">
          {detail.direction} of {bytes(detail.bytes)}
          {detail.comm && ` by ${detail.comm} ${detail.tid ?? ''}`}
        </Fact>
        <Fact name="where">
          {detail.disk ?? ''} {detail.device}, sector {count(detail.sector)}
        </Fact>
        <Fact name="tied">{kTies[detail.tie] ?? detail.tie}</Fact>
      </dl>
      <Phases detail={detail} />
      {detail.host.length > 0 && (
        <>
          <h4>On the host</h4>
          <table>
            <tbody>
              {detail.host.map((one) => (
                <tr>
                  <td>
                    <button class="link" onClick={() => void goToHost(store, one)}>
                      {one.device} {bytes(one.bytes)}
                    </button>{' '}
                    <span class="muted">
                      {one.comm} {one.tid}
                    </span>
                  </td>
                  <td class="number" title="queued">
                    {duration(one.issued - one.from)} queued
                  </td>
                  <td class="number" title="with the device">
                    {duration(one.until - one.issued)} device
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
      <h4>Waited behind</h4>
      <Behind list={detail.waited_behind} total={total} />
      <Calls list={detail.calls} />
      <h4>Raw events</h4>
      <Events events={detail.events} more={detail.more_events} />
    </>
  );
}
