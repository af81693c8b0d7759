import { headline, meaning, phaseMeaning } from '../model/states';
import { duration, moment, percent } from '../model/time';
import type { Run } from '../api/types';
import type { Hover } from '../state/store';
import { useStore } from './context';

function SliceTip({ hover, run }: { hover: Hover; run: Run }) {
  const { slice } = hover.spot!;
  const { track, time } = hover;
  const phase = phaseAt(hover, run);
  return (
    <>
      <div class="title">{headline(track.kind, slice.category, run.machines)}</div>
      <div>
        {duration(slice.until - slice.from)}
        {slice.open && ' and more'}{' '}
        <span class="muted">from {moment(slice.from, Math.max(1, (slice.until - slice.from) / 10))}</span>
      </div>
      {phase ? (
        <div class="why">
          {phaseMeaning(phase.name).name}, {duration(phase.until - phase.from)}: {phaseMeaning(phase.name).text}
        </div>
      ) : (
        <div class="why">{meaning(track.kind, slice.category.state).text}</div>
      )}
      {hover.hole && <div class="why">Events were lost here: what is drawn may be wrong.</div>}
      <div class="muted">at {moment(time, 1000)}</div>
    </>
  );
}

function phaseAt(hover: Hover, run: Run): { name: string; from: number; until: number } | undefined {
  const { phases } = hover.spot!.slice;
  for (let i = 0; i + 2 < phases.length; i += 3) {
    if (hover.time < phases[i + 1] || hover.time >= phases[i + 2]) continue;
    const host = hover.track.machine === 0;
    const name = host ? (phases[i] === 0 ? 'queued' : 'with_device') : (run.phases[phases[i]] ?? '');
    return { name, from: phases[i + 1], until: phases[i + 2] };
  }
  return undefined;
}

function BinTip({ hover, run }: { hover: Hover; run: Run }) {
  const { bin, track } = hover;
  const shown = bin!.shares.slice(0, 5);
  return (
    <>
      <div class="title">
        {duration(bin!.until - bin!.from)} <span class="muted">from {moment(bin!.from, bin!.until - bin!.from)}</span>
      </div>
      {shown.map(({ category, share }) => (
        <div class="share">
          <b>{track.kind === 'disk' ? share.toFixed(2) : percent(share)}</b>{' '}
          {headline(track.kind, category, run.machines)}
        </div>
      ))}
      {bin!.shares.length > shown.length && <div class="muted">and {bin!.shares.length - shown.length} more</div>}
      <div class="why">
        {track.kind === 'disk' ? 'Requests open at a time, on average.' : 'Too many slices to be told apart: zoom in.'}
      </div>
    </>
  );
}

export function Tooltip() {
  const store = useStore();
  const hover = store.hover.value;
  const run = store.run.value;
  if (!hover || !run || (!hover.spot && !hover.bin && !hover.hole && hover.track.aligned)) return null;
  const { width, height } = store.size.value;
  const left = hover.x > width - 340 ? { right: `${width - hover.x + 14}px` } : { left: `${hover.x + 14}px` };
  const top = hover.y > height - 170 ? { bottom: `${height - hover.y + 12}px` } : { top: `${hover.y + 14}px` };
  return (
    <div class="tooltip" role="tooltip" style={{ ...left, ...top }}>
      <div class="muted">
        {store.machineName(hover.track.machine)} {hover.track.name}
      </div>
      {!hover.track.aligned ? (
        <div class="why">
          {run.machines[hover.track.machine].note || 'This machine’s clock has no trustworthy relation to the host’s.'}
        </div>
      ) : hover.spot ? (
        <SliceTip hover={hover} run={run} />
      ) : hover.bin ? (
        <BinTip hover={hover} run={run} />
      ) : (
        <div class="why">Events were lost here: nobody knows what happened.</div>
      )}
    </div>
  );
}
