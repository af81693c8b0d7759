// What a person can do. Everything that changes the store stands here, so that keys, clicks and the URL do the same.

import { batch } from '@preact/signals';
import { ApiError, isAbort } from '../api/source';
import type { Finding, HostRequest, Track } from '../api/types';
import type { Spot } from '../draw/scene';
import { around, bounded, panned, span, zoomed, type Stretch } from '../model/axis';
import { revealed, trackKey, type TrackItem } from '../model/layout';
import { headline } from '../model/states';
import { duration, moment } from '../model/time';
import type { Slice } from '../model/tile';
import type { Tab } from '../model/url';
import { findSlice, type Place } from './find_slice';
import { none, waiting, type Answer, type Store } from './store';

export function fail(error: unknown): Answer<never> & { is: 'failed' } {
  if (error instanceof ApiError) return { is: 'failed', error: error.message, hint: error.hint, offset: error.offset };
  return { is: 'failed', error: String(error), hint: '', offset: -1 };
}

// ---- the view

export function go(store: Store, view: Stretch, glide = true): void {
  const target = bounded(view, store.duration);
  store.target.value = target;
  if (!glide || store.reducedMotion()) store.view.value = target;
}

export const zoom = (store: Store, factor: number, anchor?: number): void => {
  const view = store.target.peek();
  go(store, zoomed(view, factor, anchor ?? (view.from + view.until) / 2, store.duration));
};

export const pan = (store: Store, part: number): void => go(store, panned(store.target.peek(), part, store.duration));

export function scrollTo(store: Store, y: number): void {
  const { height, pinnedHeight } = store.layout.peek();
  const most = Math.max(0, height - (store.size.peek().height - pinnedHeight));
  store.scroll.value = Math.max(0, Math.min(y, most));
}

/** Brings a track's row onto the screen. */
export function reveal(store: Store, id: number): void {
  const run = store.run.peek();
  const track = store.track(id);
  if (!run || !track) return;
  store.choices.value = revealed(run, track, store.choices.peek());
  const { items, pinned, pinnedHeight } = store.layout.peek();
  if (pinned.some((item) => item.track.id === id)) return;
  const item = items.find((one): one is TrackItem => one.what === 'track' && one.track.id === id);
  if (!item) return;
  const room = store.size.peek().height - pinnedHeight;
  const top = store.scroll.peek();
  if (item.y < top || item.y + item.height > top + room) scrollTo(store, item.y - room / 3);
}

// ---- selection

let selecting: AbortController | undefined;

export function select(store: Store, spot: Spot | null, tab = true): void {
  selecting?.abort();
  selecting = new AbortController();
  const run = store.run.peek();
  batch(() => {
    store.wantedSlice = null;
    store.selected.value = spot;
    store.detail.value = none;
    store.events.value = none;
    if (spot) store.current.value = spot.track;
    if (spot && tab) [store.tab.value, store.panelOpen.value] = ['selection', true];
  });
  const track = spot && store.track(spot.track);
  if (!spot || !track || !run) return;
  const { slice } = spot;
  store.said.value = `${run.machines[track.machine].name} ${track.name}: ${headline(track.kind, slice.category, run.machines)}, ${duration(slice.until - slice.from)} at ${moment(slice.from)}`;
  void loadDetail(store, track, slice, selecting.signal);
}

async function loadDetail(store: Store, track: Track, slice: Slice, signal: AbortSignal): Promise<void> {
  const disk = track.kind === 'disk' && slice.row > 0;
  try {
    if (disk) {
      store.detail.value = waiting;
      const value =
        track.machine === 0
          ? { block: await store.source.block(slice.row, signal) }
          : { request: await store.source.request(slice.row, signal) };
      store.detail.value = { is: 'there', value };
    }
  } catch (error) {
    if (!isAbort(error)) store.detail.value = fail(error);
  }
  if ((disk && track.machine !== 0) || !store.source.live) return;
  try {
    store.events.value = waiting;
    const machine = store.machineName(track.kind === 'vcpu' || track.kind === 'thread' ? 0 : track.machine);
    const cpu = track.kind === 'cpu' || track.kind === 'task' || track.kind === 'irq' ? track.number : undefined;
    const margin = 20_000;
    const query = { from: Math.max(0, slice.from - margin), until: slice.until + margin, machine, cpu, limit: 100 };
    store.events.value = { is: 'there', value: await store.source.events(query, signal) };
  } catch (error) {
    if (!isAbort(error)) store.events.value = fail(error);
  }
}

/** Goes to a slice that is told by its place, and selects it when it is there. */
export async function goTo(store: Store, place: Place, tab = true): Promise<void> {
  const run = store.run.peek();
  if (!run) return;
  reveal(store, place.track);
  if (!seenWell(store.target.peek(), place)) go(store, around(place, 2, run.duration_ns));
  await selectAt(store, place, tab);
}

/** Long enough to be made out, and all of it there. */
const seenWell = (view: Stretch, place: Stretch): boolean =>
  place.from >= view.from && place.until <= view.until && place.until - place.from > span(view) / 200;

export async function selectAt(store: Store, place: Place, tab = true): Promise<void> {
  const run = store.run.peek();
  if (!run) return;
  selecting?.abort();
  const own = (selecting = new AbortController());
  try {
    const slice = await findSlice(store.source, store.cache, run, place, own.signal);
    if (own.signal.aborted) return;
    if (slice) select(store, { track: place.track, slice }, tab);
  } catch (error) {
    if (!isAbort(error)) store.said.value = String(error);
  }
}

export const goToHost = (store: Store, request: Pick<HostRequest, 'track' | 'from' | 'until' | 'row'>): Promise<void> =>
  goTo(store, { track: request.track, from: request.from, until: request.until, row: request.row });

/** The next slice (1) or the one before (-1) of the same task, reason or name on the row. */
export async function step(store: Store, direction: 1 | -1): Promise<void> {
  const spot = store.selected.peek();
  if (!spot) return;
  const { label, tid } = spot.slice.category;
  const from = direction > 0 ? spot.slice.until : spot.slice.from;
  try {
    const next = await store.source.next({ track: spot.track, label, tid, from, direction });
    if (next.from === undefined || next.until === undefined) {
      store.said.value = direction > 0 ? 'no later one' : 'no earlier one';
      return;
    }
    const place = { track: spot.track, from: next.from, until: next.until, row: 0 };
    if (place.from < store.target.peek().from || place.until > store.target.peek().until) {
      const view = store.target.peek();
      const middle = (place.from + place.until) / 2;
      go(store, { from: middle - span(view) / 2, until: middle + span(view) / 2 });
    }
    await selectAt(store, place, false);
  } catch (error) {
    if (!isAbort(error)) store.said.value = error instanceof ApiError ? error.message : String(error);
  }
}

export function focusSelection(store: Store): void {
  const place = store.selected.peek()?.slice ?? store.range.peek();
  if (!place) return;
  go(store, around(place, 0.5, store.duration));
  const spot = store.selected.peek();
  if (spot) reveal(store, spot.track);
}

// ---- a range

let ranging: AbortController | undefined;

export function setRange(store: Store, range: Stretch | null, ask = true): void {
  ranging?.abort();
  store.range.value = range;
  if (!range) store.rangeTables.value = none;
  if (range && ask) {
    [store.tab.value, store.panelOpen.value] = ['range', true];
    void loadRange(store);
  }
}

export async function loadRange(store: Store): Promise<void> {
  const range = store.range.peek();
  if (!range) return;
  ranging?.abort();
  const own = (ranging = new AbortController());
  store.rangeTables.value = waiting;
  try {
    const { tables } = await store.source.range(range.from, range.until, own.signal);
    store.rangeTables.value = { is: 'there', value: tables };
    store.said.value = `range of ${duration(span(range))} from ${moment(range.from)}`;
  } catch (error) {
    if (!isAbort(error)) store.rangeTables.value = fail(error);
  }
}

// ---- findings

export function showFinding(store: Store, index: number, move = true): void {
  const answer = store.findings.peek();
  if (answer.is !== 'there') return;
  const finding: Finding | undefined = answer.value.findings[index];
  if (!finding) return;
  store.finding.value = index;
  store.said.value = `finding ${index + 1} of ${answer.value.findings.length}: ${finding.title}`;
  if (!move) return;
  [store.tab.value, store.panelOpen.value] = ['findings', true];
  go(store, around(finding, 0.25, store.duration));
  for (const track of [...finding.culprit_tracks.slice(0, 1), ...finding.victim_tracks.slice(0, 1)])
    reveal(store, track);
}

export function stepFinding(store: Store, direction: 1 | -1): void {
  const answer = store.findings.peek();
  if (answer.is !== 'there' || !answer.value.findings.length) return;
  const number = answer.value.findings.length;
  const now = store.finding.peek();
  showFinding(store, now < 0 ? (direction > 0 ? 0 : number - 1) : (now + direction + number) % number);
}

// ---- rows

export function toggleFold(store: Store, key: string, folded: boolean): void {
  const map = new Map(store.choices.peek().folded);
  map.set(key, !folded);
  store.choices.value = { ...store.choices.peek(), folded: map };
}

export function togglePin(store: Store, id: number): void {
  const key = store.keyOf(id);
  const { pinned } = store.choices.peek();
  const on = pinned.includes(key);
  store.choices.value = {
    ...store.choices.peek(),
    pinned: on ? pinned.filter((one) => one !== key) : [...pinned, key],
  };
  store.said.value = `${key} ${on ? 'no longer pinned' : 'pinned'}`;
}

export function hide(store: Store, id: number): void {
  const key = store.keyOf(id);
  const { pinned, hidden } = store.choices.peek();
  moveRow(store, 1);
  store.choices.value = {
    ...store.choices.peek(),
    pinned: pinned.filter((one) => one !== key),
    hidden: new Set([...hidden, key]),
  };
  store.said.value = `${key} hidden`;
}

export const showHidden = (store: Store): void => {
  store.choices.value = { ...store.choices.peek(), hidden: new Set() };
};

export const setFilter = (store: Store, filter: string): void => {
  store.choices.value = { ...store.choices.peek(), filter };
  scrollTo(store, 0);
};

/** The keyboard's row: the one below (1) or above (-1). */
export function moveRow(store: Store, direction: 1 | -1): void {
  const { pinned, items } = store.layout.peek();
  const rows = [...pinned, ...items.filter((item): item is TrackItem => item.what === 'track')];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.track.id === store.current.peek());
  const row = rows[at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + direction))];
  store.current.value = row.track.id;
  reveal(store, row.track.id);
  const run = store.run.peek()!;
  store.said.value = trackKey(run.machines[row.track.machine], row.track);
}

/** What is in the middle of the screen on the keyboard's row. */
export async function selectMiddle(store: Store): Promise<void> {
  const track = store.current.peek();
  if (track < 0) return;
  const { from, until } = store.target.peek();
  const middle = Math.round((from + until) / 2);
  await selectAt(store, { track, from: middle, until: middle + 1, row: 0 });
}

export function showTab(store: Store, tab: Tab): void {
  [store.tab.value, store.panelOpen.value] = [tab, true];
}

/** Step by step back to nothing: the dialog, the selection, the range, the finding. */
export function escape(store: Store): void {
  if (store.keysOpen.peek()) store.keysOpen.value = false;
  else if (store.selected.peek()) select(store, null);
  else if (store.range.peek()) setRange(store, null);
  else store.finding.value = -1;
}
