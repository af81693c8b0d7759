// The heads of the rows, beside the canvas: names, and what can be done with a row.

import { inSight, type HeadItem, type TrackItem } from '../model/layout';
import { hide, showHidden, toggleFold, togglePin } from '../state/actions';
import { machineColour } from '../draw/theme';
import { useStore } from './context';
import { Icon } from './icon';

function RowHead({ item, y }: { item: TrackItem; y: number }) {
  const store = useStore();
  const { track, key } = item;
  const role = store.roles.value.get(track.id);
  const current = store.current.value === track.id;
  const machine = store.machineName(track.machine);
  return (
    <div
      class={`head row ${track.kind}${current ? ' current' : ''}${role ? ` ${role}` : ''}`}
      role="listitem"
      data-track={key}
      style={{ top: `${y}px`, height: `${item.height}px` }}
    >
      <button
        class="name"
        aria-current={current}
        title={`${machine} ${track.name}${track.aligned ? '' : ': no trustworthy clock, so nothing can be drawn'}`}
        onClick={() => (store.current.value = track.id)}
      >
        {item.pinned && <span class="machine">{machine} </span>}
        <span>{track.name}</span>
        {track.kind === 'task' && <span class="muted"> task</span>}
        {!track.aligned && <span class="muted"> no clock</span>}
      </button>
      {role && <span class="role">{role}</span>}
      <span class="tools">
        <button
          class="plain"
          aria-label={`${item.pinned ? 'Loose' : 'Pin'} ${key}`}
          title={item.pinned ? 'Loose (P)' : 'Pin to the top (P)'}
          aria-pressed={item.pinned}
          onClick={() => togglePin(store, track.id)}
        >
          <Icon name="pin" />
        </button>
        <button class="plain" aria-label={`Hide ${key}`} title="Hide (H)" onClick={() => hide(store, track.id)}>
          <Icon name="hide" />
        </button>
      </span>
    </div>
  );
}

function GroupHead({ item, y }: { item: HeadItem; y: number }) {
  const store = useStore();
  const machine = store.run.value?.machines[item.machine];
  const about =
    item.what === 'machine' && machine
      ? [machine.kernel, machine.accel, machine.aligned ? '' : 'no clock'].filter(Boolean).join(' · ')
      : '';
  return (
    <div
      class={`head ${item.what}`}
      role="listitem"
      data-group={item.key}
      style={{ top: `${y}px`, height: `${item.height}px` }}
    >
      <button
        class="name"
        aria-expanded={!item.folded}
        title={machine?.note || about}
        onClick={() => toggleFold(store, item.key, item.folded)}
      >
        <Icon name={item.folded ? 'open' : 'fold'} />
        {item.what === 'machine' && (
          <span class="dot" style={{ background: machineColour(store.theme.value, item.machine) }} />
        )}
        <span>{item.title}</span>
        {item.folded && <span class="muted"> {item.tracks}</span>}
        <span class="muted about">{about}</span>
      </button>
    </div>
  );
}

export function Heads() {
  const store = useStore();
  const { pinned, pinnedHeight, items, hidden } = store.layout.value;
  const scroll = store.scroll.value;
  const height = store.size.value.height;
  return (
    <div class="heads" role="list" aria-label="Rows">
      {pinned.length > 0 && (
        <div class="pinned" style={{ height: `${pinnedHeight}px` }}>
          {pinned.map((item) => (
            <RowHead key={item.key} item={item} y={item.y} />
          ))}
        </div>
      )}
      <div class="unpinned" style={{ top: `${pinnedHeight}px` }}>
        {inSight(items, scroll, height - pinnedHeight).map((item) =>
          item.what === 'track' ? (
            <RowHead key={item.key} item={item} y={item.y - scroll} />
          ) : (
            <GroupHead key={item.key} item={item} y={item.y - scroll} />
          ),
        )}
      </div>
      {hidden > 0 && (
        <button class="show-hidden" onClick={() => showHidden(store)}>
          <Icon name="show" /> Show {hidden} hidden {hidden === 1 ? 'row' : 'rows'}
        </button>
      )}
    </div>
  );
}
