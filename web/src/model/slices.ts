// The slices of a row, each once: a tile gives its slices whole, so one that reaches over several tiles comes with each.

import type { Piece } from './tile_cache';
import type { Slice } from './tile';

/** A slice, cut to the stretch in which tiles tell slices (rather than shares). */
export interface Visible {
  slice: Slice;
  from: number;
  until: number;
}

export function visibleSlices(pieces: Piece[]): Visible[] {
  const list: Visible[] = [];
  let i = 0;
  while (i < pieces.length) {
    if (pieces[i].tile.bars) {
      i++;
      continue;
    }
    let last = i;
    while (last + 1 < pieces.length && !pieces[last + 1].tile.bars && pieces[last + 1].from === pieces[last].until)
      last++;
    const from = pieces[i].from;
    const until = pieces[last].until;
    for (let k = i; k <= last; k++) {
      const piece = pieces[k];
      for (const slice of piece.tile.slices) {
        if (slice.from >= piece.until || slice.until < piece.from) continue;
        // It began in an earlier piece of this stretch, which had it.
        if (k > i && slice.from < piece.from) continue;
        list.push({ slice, from: Math.max(slice.from, from), until: Math.min(slice.until, until) });
      }
    }
    i = last + 1;
  }
  return list;
}
