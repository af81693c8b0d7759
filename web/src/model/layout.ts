// Which rows stand where: machines, their sections, their tracks; pinned ones above all, without hidden ones.

import type { Machine, Run, Track, TrackKind } from '../api/types';

export type Section = 'cpu' | 'vcpu' | 'disk' | 'irq' | 'thread' | 'marks';

export const sectionOf = (kind: TrackKind): Section => (kind === 'task' ? 'vcpu' : kind === 'counter' ? 'marks' : kind);

export const kSectionNames: Record<Section, string> = {
  cpu: 'CPUs',
  vcpu: 'vCPUs and their tasks',
  disk: 'Disks',
  irq: 'Interrupts',
  thread: 'QEMU threads',
  marks: 'Programs’ marks',
};

/** What a person chose. Names, not numbers: they outlive the page. */
export interface Choices {
  pinned: string[];
  hidden: ReadonlySet<string>;
  /** Machines and sections that are folded (true) or open against the rule (false). */
  folded: ReadonlyMap<string, boolean>;
  filter: string;
}

export const noChoices = (): Choices => ({ pinned: [], hidden: new Set(), folded: new Map(), filter: '' });

export interface TrackItem {
  what: 'track';
  key: string;
  track: Track;
  y: number;
  height: number;
  pinned: boolean;
}

export interface HeadItem {
  what: 'machine' | 'section';
  key: string;
  machine: number;
  title: string;
  folded: boolean;
  /** How many tracks stand beneath. */
  tracks: number;
  y: number;
  height: number;
}

export type Item = TrackItem | HeadItem;

export interface Layout {
  /** Above the rest and never scrolled; y from their own top. */
  pinned: TrackItem[];
  pinnedHeight: number;
  items: Item[];
  height: number;
  /** How many tracks are hidden one by one. */
  hidden: number;
}

export const kMachineHeight = 30;
export const kSectionHeight = 20;
/** A section with more tracks than that of interrupts, QEMU's threads or programs begins folded. */
const kManyRows = 6;

export const trackKey = (machine: Machine | undefined, track: Track): string =>
  `${machine?.name ?? track.machine}/${track.kind}/${track.number}`;

export function rowHeight(track: Track): number {
  switch (track.kind) {
    case 'disk':
      return Math.min(96, Math.max(30, track.lanes * 9 + 4));
    case 'cpu':
    case 'vcpu':
      return 26;
    case 'task':
      return 22;
    case 'irq':
      return Math.min(32, Math.max(16, track.lanes * 6));
    case 'thread':
      return 20;
    case 'marks':
      return Math.min(96, 6 + track.lanes * 16);
    case 'counter':
      return 26;
  }
}

/** All words of the filter must be somewhere in what names the track. */
export function matches(track: Track, machine: Machine | undefined, filter: string): boolean {
  const text =
    `${machine?.name ?? ''} ${track.kind} ${track.name} ${kSectionNames[sectionOf(track.kind)]}`.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

export function isFolded(key: string, section: Section | null, tracks: number, choices: Choices): boolean {
  const chosen = choices.folded.get(key);
  if (chosen !== undefined) return chosen;
  return (section === 'irq' || section === 'thread' || section === 'marks') && tracks > kManyRows;
}

export function layOut(run: Run, choices: Choices): Layout {
  const byKey = new Map<string, Track>();
  const shown: Track[] = [];
  let hidden = 0;
  for (const track of run.tracks) {
    const machine = run.machines[track.machine];
    const key = trackKey(machine, track);
    byKey.set(key, track);
    if (choices.hidden.has(key)) hidden++;
    else if (matches(track, machine, choices.filter)) shown.push(track);
  }

  let y = 0;
  const pinned: TrackItem[] = [];
  for (const key of choices.pinned) {
    const track = byKey.get(key);
    if (!track) continue;
    pinned.push({ what: 'track', key, track, y, height: rowHeight(track), pinned: true });
    y += rowHeight(track);
  }
  const pinnedHeight = y;

  const items: Item[] = [];
  const pins = new Set(choices.pinned);
  y = 0;
  run.machines.forEach((machine, index) => {
    const own = shown.filter((track) => track.machine === index);
    if (!own.length && choices.filter) return;
    const folded = isFolded(machine.name, null, own.length, choices);
    items.push({
      what: 'machine',
      key: machine.name,
      machine: index,
      title: machine.name,
      folded,
      tracks: own.length,
      y,
      height: kMachineHeight,
    });
    y += kMachineHeight;
    if (folded) return;
    for (const section of Object.keys(kSectionNames) as Section[]) {
      const tracks = own.filter((track) => sectionOf(track.kind) === section && !pins.has(trackKey(machine, track)));
      if (!tracks.length) continue;
      const key = `${machine.name}/${section}`;
      // A filter is there to show what it finds.
      const closed = !choices.filter && isFolded(key, section, tracks.length, choices);
      items.push({
        what: 'section',
        key,
        machine: index,
        title: kSectionNames[section],
        folded: closed,
        tracks: tracks.length,
        y,
        height: kSectionHeight,
      });
      y += kSectionHeight;
      if (closed) continue;
      for (const track of tracks) {
        items.push({ what: 'track', key: trackKey(machine, track), track, y, height: rowHeight(track), pinned: false });
        y += rowHeight(track);
      }
    }
  });
  return { pinned, pinnedHeight, items, height: y, hidden };
}

/** The items that a window of `height` from `top` shows; they rise by y. */
export function inSight(items: Item[], top: number, height: number): Item[] {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].y + items[middle].height <= top) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < items.length && items[end].y < top + height) end++;
  return items.slice(low, end);
}

/** Choices with which a track is on the screen: not hidden, not in a fold, not filtered out. */
export function revealed(run: Run, track: Track, choices: Choices): Choices {
  const machine = run.machines[track.machine];
  const key = trackKey(machine, track);
  const section = `${machine.name}/${sectionOf(track.kind)}`;
  const folded = new Map(choices.folded);
  const own = run.tracks.filter(
    (other) => other.machine === track.machine && sectionOf(other.kind) === sectionOf(track.kind),
  );
  if (isFolded(machine.name, null, own.length, choices)) folded.set(machine.name, false);
  if (isFolded(section, sectionOf(track.kind), own.length, choices)) folded.set(section, false);
  const hidden = new Set(choices.hidden);
  hidden.delete(key);
  return { ...choices, folded, hidden, filter: matches(track, machine, choices.filter) ? choices.filter : '' };
}
