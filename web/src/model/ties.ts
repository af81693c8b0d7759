// Which requests of a guest's and of the host's on the screen belong together.

import type { Slice } from './tile';
import type { TrackItem } from './layout';
import type { Visible } from './slices';

export interface Tie {
  guest: { item: TrackItem; slice: Slice };
  host: { item: TrackItem; slice: Slice };
  strong: boolean;
}

export interface DiskRow {
  item: TrackItem;
  /** Of the host: its slices tell the guest's request that they serve. */
  host: boolean;
  slices: Visible[];
}

/** More lines than that are a carpet: then only the selected request's are drawn. */
export const kMostTies = 160;

/** `selected`: an io_request.id; 0: none. */
export function findTies(rows: DiskRow[], selected: number): Tie[] {
  const guests = new Map<number, Tie['guest']>();
  for (const row of rows) {
    if (row.host) continue;
    for (const { slice } of row.slices) if (slice.row) guests.set(slice.row, { item: row.item, slice });
  }
  const ties: Tie[] = [];
  for (const row of rows) {
    if (!row.host) continue;
    for (const { slice } of row.slices) {
      const guest = slice.request ? guests.get(slice.request) : undefined;
      if (guest) ties.push({ guest, host: { item: row.item, slice }, strong: slice.request === selected });
    }
  }
  const strong = ties.filter((tie) => tie.strong);
  return ties.length > kMostTies ? strong : [...ties.filter((tie) => !tie.strong), ...strong];
}
