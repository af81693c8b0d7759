// What lies under the pointer.

import type { Category } from '../api/types';
import type { Stretch } from './axis';
import type { Item, Layout, TrackItem } from './layout';
import type { Piece } from './tile_cache';
import type { Visible } from './slices';

/** Shares of the bin under the pointer, the largest first. */
export interface BinHit {
  from: number;
  until: number;
  shares: { category: Category; share: number }[];
}

/** The row at a height of the canvas; pinned rows first, the others scrolled. */
export function rowAt(layout: Layout, y: number, scroll: number): TrackItem | undefined {
  const within = (items: Item[], at: number): TrackItem | undefined => {
    const item = items.find((one) => at >= one.y && at < one.y + one.height);
    return item?.what === 'track' ? item : undefined;
  };
  return y < layout.pinnedHeight ? within(layout.pinned, y) : within(layout.items, y - layout.pinnedHeight + scroll);
}

/**
 * The slice at a time; near ones within `reach` count, since many are narrower than a pixel. `lane`: where in the row's
 * lanes (undefined: any). Of several the one that begins last, which is the innermost.
 */
export function sliceAt(slices: Visible[], time: number, reach: number, lane: number | undefined): Visible | undefined {
  let best: Visible | undefined;
  let distance = Infinity;
  for (const one of slices) {
    if (lane !== undefined && one.slice.lane !== lane) continue;
    const away = time < one.from ? one.from - time : time >= one.until ? time - one.until : 0;
    if (away > reach || away > distance) continue;
    if (away === distance && best && one.slice.from < best.slice.from) continue;
    best = one;
    distance = away;
  }
  return best;
}

export function binAt(pieces: Piece[], time: number): BinHit | undefined {
  for (const { tile, from, until } of pieces) {
    if (!tile.bars || time < from || time >= until) continue;
    const length = (tile.until - tile.from) / tile.bars.bins;
    const bin = Math.floor((time - tile.from) / length);
    const shares: BinHit['shares'] = [];
    tile.bars.bin.forEach((b, i) => {
      if (b === bin)
        shares.push({ category: tile.bars!.categories[tile.bars!.category[i]], share: tile.bars!.share[i] });
    });
    shares.sort((a, b) => b.share - a.share);
    return { from: tile.from + bin * length, until: tile.from + (bin + 1) * length, shares };
  }
  return undefined;
}

export const holeAt = (pieces: Piece[], time: number): [number, number] | undefined =>
  pieces.flatMap((piece) => piece.tile.holes).find(([from, until]) => time >= from && time < until);

/** The stretch of a drag, the earlier end first. */
export const dragged = (a: number, b: number): Stretch => ({ from: Math.min(a, b), until: Math.max(a, b) });
