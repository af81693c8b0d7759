import type { ReportJson } from '../api/types';
import { makeTile } from '../model/tile';
import type { Store } from './store';

/** All tiles of a report: nothing else will ever come. */
export function fillCache(store: Store, report: ReportJson): void {
  const { base_span_ns, bins } = report.run;
  for (const { level, index, tiles } of report.tiles) {
    for (const tile of tiles) store.cache.put(tile.track, makeTile(tile, level, index, base_span_ns, bins));
  }
  store.tiles.value++;
}

/** The deepest level that a report has. */
export const deepestLevel = (report: ReportJson): number =>
  report.tiles.reduce((level, tile) => Math.max(level, tile.level), 0);
