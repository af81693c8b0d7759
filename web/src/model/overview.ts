// Who had the host's CPUs over the whole run, by machine: the strip above the axis.

import type { Piece } from './tile_cache';

export interface Overview {
  from: number;
  span: number;
  columns: number;
  /** By machine, a share of all CPUs for each column. */
  machines: Float32Array[];
}

export const kColumns = 512;

export const emptyOverview = (): Overview => ({ from: 0, span: 1, columns: 0, machines: [] });

/** `rows`: the pieces of each CPU; `span`: what all columns together cover. */
export function makeOverview(rows: Piece[][], span: number, machines: number): Overview {
  const list = Array.from({ length: machines }, () => new Float32Array(kColumns));
  const column = span / kColumns;
  const weight = 1 / Math.max(rows.length, 1);
  const add = (machine: number, from: number, until: number, share: number): void => {
    const first = Math.max(0, Math.floor(from / column));
    const last = Math.min(kColumns - 1, Math.ceil(until / column) - 1);
    for (let i = first; i <= last; i++) {
      const part = (Math.min(until, (i + 1) * column) - Math.max(from, i * column)) / column;
      list[machine][i] += part * share * weight;
    }
  };
  for (const { tile, from, until } of rows.flat()) {
    for (const slice of tile.slices) {
      const { state, machine } = slice.category;
      const [begin, end] = [Math.max(slice.from, from), Math.min(slice.until, until)];
      if (state !== 'idle' && end > begin) add(Math.min(Math.max(machine, 0), machines - 1), begin, end, 1);
    }
    const { bars } = tile;
    if (!bars) continue;
    const bin = (tile.until - tile.from) / bars.bins;
    bars.bin.forEach((at, i) => {
      const begin = tile.from + at * bin;
      const machine = Math.min(Math.max(bars.categories[bars.category[i]].machine, 0), machines - 1);
      if (begin >= from && begin < until) add(machine, begin, begin + bin, bars.share[i]);
    });
  }
  return { from: 0, span, columns: kColumns, machines: list };
}
