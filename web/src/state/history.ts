// The URL's hash follows what is seen, and what is seen follows the hash: when the page opens, and on back and forward.
// Panning and zooming overwrite the entry; what a person chose (a slice, a finding, a range) makes a new one.

import { effect } from '@preact/signals';
import { fromHash, toHash, type UrlState } from '../model/url';
import { go, loadRange, scrollTo, selectAt, showFinding } from './actions';
import type { Store } from './store';

const kSettleMs = 250;

export function urlState(store: Store): UrlState {
  const choices = store.choices.value;
  const spot = store.selected.value;
  const folded = [...choices.folded];
  return {
    view: store.target.value,
    selected: spot
      ? { track: store.keyOf(spot.track), from: spot.slice.from, until: spot.slice.until, row: spot.slice.row }
      : (store.wantedSlice ?? undefined),
    range: store.range.value ?? undefined,
    finding: store.finding.value >= 0 ? store.finding.value : undefined,
    pinned: choices.pinned,
    hidden: [...choices.hidden],
    folded: folded.filter(([, on]) => on).map(([key]) => key),
    open: folded.filter(([, on]) => !on).map(([key]) => key),
    filter: choices.filter,
    tab: store.tab.value,
  };
}

export function apply(store: Store, state: UrlState): void {
  store.choices.value = {
    pinned: state.pinned,
    hidden: new Set(state.hidden),
    folded: new Map([
      ...state.folded.map((key) => [key, true] as const),
      ...state.open.map((key) => [key, false] as const),
    ]),
    filter: state.filter,
  };
  if (state.view) go(store, state.view, false);
  store.finding.value = state.finding ?? -1;
  store.range.value = state.range ?? null;
  store.selected.value = null;
  store.wantedSlice = state.selected ?? null;
  if (state.tab) store.tab.value = state.tab;
  if (state.range) void loadRange(store);
  scrollTo(store, store.scroll.peek());
}

/** A slice that the hash named is looked for once its track is known and all is read. */
function resolveSlice(store: Store): void {
  const place = store.wantedSlice;
  const track = place && store.keys.value.get(place.track);
  if (!place || !track || !store.run.value?.progress.done) return;
  const { tab } = store;
  const before = tab.peek();
  void selectAt(store, { ...place, track: track.id }, false).then(() => (tab.value = before));
}

/** What makes a new entry when it changes. */
const milestone = (state: UrlState): string => toHash({ ...state, view: undefined, tab: undefined, filter: '' });

export function keepUrl(store: Store): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let written = location.hash.replace(/^#/, '');
  let last = '';
  const write = (): void => {
    timer = undefined;
    const state = urlState(store);
    const hash = toHash(state);
    if (hash === written) return;
    const push = last !== '' && milestone(state) !== last;
    last = milestone(state);
    written = hash;
    try {
      history[push ? 'pushState' : 'replaceState'](null, '', `#${hash}`);
    } catch {
      // A browser that writes no history for a file, or too often: the page works without.
    }
  };
  effect(() => {
    urlState(store);
    if (!store.run.value || timer !== undefined) return;
    timer = setTimeout(write, kSettleMs);
  });
  addEventListener('popstate', () => {
    written = location.hash.replace(/^#/, '');
    const state = fromHash(written);
    last = milestone(state);
    clearTimeout(timer);
    timer = undefined;
    apply(store, state);
    resolveSlice(store);
    if (state.finding !== undefined) showFinding(store, state.finding, false);
  });
  effect(() => resolveSlice(store));
}
