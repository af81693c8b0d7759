import type { Track } from '../api/types';
import type { Spot } from '../draw/scene';
import { machineColour } from '../draw/theme';
import { headline, meaning } from '../model/states';
import { duration, moment } from '../model/time';
import { focusSelection, goTo, step } from '../state/actions';
import { useStore } from '../parts/context';
import { Icon } from '../parts/icon';
import { Shown } from './answer';
import { Block } from './block';
import { Events } from './events';
import { Request } from './request';

export function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Facts({ spot, track }: { spot: Spot; track: Track }) {
  const store = useStore();
  const { slice } = spot;
  const { category } = slice;
  const owner = category.machine >= 0 ? store.machineName(category.machine) : '';
  return (
    <dl class="facts">
      <Fact name="row">
        {store.machineName(track.machine)} {track.name}
      </Fact>
      <Fact name="begins">
        {moment(slice.from, 1)}
        {slice.open && <span class="muted"> and was still so at the end</span>}
      </Fact>
      <Fact name="ends">{moment(slice.until, 1)}</Fact>
      <Fact name="takes">{duration(slice.until - slice.from)}</Fact>
      {category.tid >= 0 && (
        <Fact name="thread">
          {category.label} {category.tid}
        </Fact>
      )}
      {owner && (
        <Fact name="of">
          <span class="dot" style={{ background: machineColour(store.theme.value, category.machine) }} /> {owner}
        </Fact>
      )}
    </dl>
  );
}

/** The guest's request that a request of the host's served. */
function Served({ request }: { request: number }) {
  const store = useStore();
  const show = async (): Promise<void> => {
    const detail = await store.source.request(request).catch(() => null);
    if (detail) await goTo(store, { track: detail.track, from: detail.from, until: detail.until, row: detail.id });
  };
  return (
    <button class="link" onClick={() => void show()}>
      Show the guest’s request that it served
    </button>
  );
}

export function SelectionPanel() {
  const store = useStore();
  const spot = store.selected.value;
  const track = spot && store.track(spot.track);
  if (!spot || !track) {
    return (
      <div class="empty">
        <h3>Nothing is selected</h3>
        <p class="muted">
          Click on a slice to see what it is. For a disk request its phases are shown, what it waited behind, and the
          raw events.
        </p>
      </div>
    );
  }
  const { category } = spot.slice;
  const { text } = meaning(track.kind, category.state);
  return (
    <>
      <div class="selection-head">
        <h3>{headline(track.kind, category, store.run.value!.machines)}</h3>
        <button
          class="plain"
          title="Previous of the same ([)"
          aria-label="Previous of the same"
          onClick={() => void step(store, -1)}
        >
          <Icon name="left" />
        </button>
        <button
          class="plain"
          title="Next of the same (])"
          aria-label="Next of the same"
          onClick={() => void step(store, 1)}
        >
          <Icon name="right" />
        </button>
        <button class="small" title="Fit into the window (F)" onClick={() => focusSelection(store)}>
          Fit
        </button>
      </div>
      {text && <p class="why">{text[0].toUpperCase() + text.slice(1)}.</p>}
      <Facts spot={spot} track={track} />
      <Shown answer={store.detail.value} waits="Looking it up">
        {({ request, block }) => (
          <>
            {request && <Request detail={request} />}
            {block && <Block detail={block} />}
            {block && block.request > 0 && <Served request={block.request} />}
          </>
        )}
      </Shown>
      {store.events.value.is !== 'none' && <h4>Raw events near it</h4>}
      <Shown answer={store.events.value} waits="Reading events">
        {({ events, more }) => <Events events={events} more={more} />}
      </Shown>
    </>
  );
}
