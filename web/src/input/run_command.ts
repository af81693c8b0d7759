import * as actions from '../state/actions';
import type { Painter } from '../state/painter';
import type { Store } from '../state/store';
import type { Command } from './keys';

/** The neighbour of the selected slice on the screen's row, whatever it is. */
function neighbour(store: Store, painter: Painter, direction: 1 | -1): void {
  const spot = store.selected.peek();
  const row =
    spot &&
    [...(painter.scene?.pinned ?? []), ...(painter.scene?.rows ?? [])].find((one) => one.item.track.id === spot.track);
  if (!spot || !row) return void actions.selectMiddle(store);
  const lane = row.slices.map((one) => one.slice).filter((slice) => slice.lane === spot.slice.lane);
  const slice =
    direction > 0
      ? lane.find((one) => one.from >= spot.slice.until && one.from > spot.slice.from)
      : lane.filter((one) => one.from < spot.slice.from).pop();
  if (!slice) return;
  actions.select(store, { track: spot.track, slice }, false);
  const { from, until } = store.target.peek();
  if (slice.from < from || slice.until > until) actions.pan(store, direction * 0.3);
}

const focus = (selector: string): void => {
  const field = document.querySelector<HTMLInputElement>(selector);
  field?.focus();
  field?.select();
};

export function runCommand(command: Command, store: Store, painter: Painter): void {
  const current = store.current.peek();
  switch (command) {
    case 'zoom-in':
      return actions.zoom(store, 0.7);
    case 'zoom-out':
      return actions.zoom(store, 1 / 0.7);
    case 'pan-left':
      return actions.pan(store, -0.12);
    case 'pan-right':
      return actions.pan(store, 0.12);
    case 'row-up':
      return actions.moveRow(store, -1);
    case 'row-down':
      return actions.moveRow(store, 1);
    case 'slice-left':
      return neighbour(store, painter, -1);
    case 'slice-right':
      return neighbour(store, painter, 1);
    case 'whole':
      return actions.go(store, store.whole());
    case 'focus':
      return actions.focusSelection(store);
    case 'select-middle':
      return void actions.selectMiddle(store);
    case 'previous':
      return void actions.step(store, -1);
    case 'next':
      return void actions.step(store, 1);
    case 'finding-next':
      return actions.stepFinding(store, 1);
    case 'finding-previous':
      return actions.stepFinding(store, -1);
    case 'pin':
      return current >= 0 ? actions.togglePin(store, current) : undefined;
    case 'hide':
      return current >= 0 ? actions.hide(store, current) : undefined;
    case 'show-hidden':
      return actions.showHidden(store);
    case 'search':
      return focus('#search');
    case 'filter':
      return focus('#filter');
    case 'sql':
      actions.showTab(store, 'sql');
      return void requestAnimationFrame(() => focus('#sql'));
    case 'keys':
      store.keysOpen.value = !store.keysOpen.peek();
      return;
    case 'panel':
      store.panelOpen.value = !store.panelOpen.peek();
      return;
    case 'escape':
      return actions.escape(store);
  }
}
