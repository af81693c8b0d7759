// A slice, looked for where shares only are drawn: by ever deeper tiles around its place.

import type { Source } from '../api/source';
import type { Run } from '../api/types';
import { makeTile, tileSpan, type Slice } from '../model/tile';
import type { TileCache } from '../model/tile_cache';

export interface Place {
  track: number;
  from: number;
  until: number;
  /** Disks: the request's row; 0: any. */
  row: number;
}

/** How well a slice is what was looked for; below 0: not at all. */
function fit(slice: Slice, place: Place): number {
  if (place.row && slice.row !== place.row) return -1;
  if (slice.from >= place.until || slice.until < place.from) return slice.from === place.from ? 1 : -1;
  const both = Math.min(slice.until, place.until) - Math.max(slice.from, place.from);
  const either = Math.max(slice.until, place.until) - Math.min(slice.from, place.from);
  return either > 0 ? both / either : 1;
}

function bestOf(slices: Slice[], place: Place): Slice | undefined {
  let best: Slice | undefined;
  let quality = -1;
  for (const slice of slices) {
    const own = fit(slice, place);
    if (own > quality) [best, quality] = [slice, own];
  }
  return best;
}

/** Undefined: there is none, or (a report) it is not in what was put into it. */
export async function findSlice(
  source: Source,
  cache: TileCache,
  run: Run,
  place: Place,
  signal?: AbortSignal,
): Promise<Slice | undefined> {
  const known = bestOf(
    [...cache.all(place.track)].flatMap((tile) => (tile.complete || !source.live ? tile.slices : [])),
    place,
  );
  if (known && (place.row || fit(known, place) > 0.999 || !source.live)) return known;
  const deepest = Math.floor(Math.log2(run.base_span_ns / run.bins));
  const middle = Math.max(0, Math.min((place.from + place.until) / 2, run.duration_ns - 1));
  const length = Math.max(place.until - place.from, 1);
  // A tile some four times as long as the slice tells it well, unless there are too many.
  let level = Math.max(0, Math.min(deepest, Math.floor(Math.log2(run.base_span_ns / (length * 4)))));
  if (length <= 1) level = Math.max(0, Math.min(deepest, 10));
  for (; level <= deepest; level = level === deepest ? deepest + 1 : Math.min(deepest, level + 2)) {
    const index = Math.floor(middle / tileSpan(run.base_span_ns, level));
    let tile = cache.get(place.track, level, index);
    if (!tile) {
      if (!source.live) return known;
      const [json] = await source.tiles(level, index, [place.track], signal);
      tile = makeTile(json, level, index, run.base_span_ns, run.bins);
      cache.put(place.track, tile);
    }
    if (tile.bars) continue;
    return bestOf(tile.slices, place);
  }
  return undefined;
}
