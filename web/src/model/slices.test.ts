import { describe, expect, it } from 'vitest';
import { visibleSlices } from './slices';
import { makeTile } from './tile';
import type { Piece } from './tile_cache';
import { kBase, shareTile, sliceTile } from './testing';

const kSpan = kBase / 4;
const piece = (index: number, slices: [number, number, string][] | null): Piece => {
  const tile = makeTile(slices ? sliceTile(0, slices) : shareTile(0, [[0, 'task', 1]]), 2, index, kBase, 256);
  return { tile, from: tile.from, until: tile.until };
};
const long: [number, number, string] = [kSpan / 2, kSpan * 3.5, 'long'];

describe('slices of a row', () => {
  it('come once, however many tiles tell them', () => {
    const list = visibleSlices([
      piece(0, [long]),
      piece(1, [long]),
      piece(2, [long, [kSpan * 2.9, kSpan * 3.1, 'b']]),
      piece(3, [long, [kSpan * 2.9, kSpan * 3.1, 'b']]),
    ]);
    expect(list.map((one) => one.slice.category.label)).toEqual(['long', 'b']);
    expect(list[0]).toMatchObject({ from: kSpan / 2, until: kSpan * 3.5 });
  });
  it('end where shares begin, and begin again behind them', () => {
    const list = visibleSlices([piece(0, [long]), piece(1, null), piece(2, [long]), piece(3, [long])]);
    expect(list.map((one) => [one.from, one.until])).toEqual([
      [kSpan / 2, kSpan],
      [kSpan * 2, kSpan * 3.5],
    ]);
  });
  it('of a coarser tile are only those of the place that it stands for', () => {
    const tile = makeTile(
      sliceTile(0, [
        [0, 10, 'early'],
        [kSpan * 2, kSpan * 2 + 10, 'there'],
      ]),
      0,
      0,
      kBase,
      256,
    );
    const list = visibleSlices([{ tile, from: kSpan * 2, until: kSpan * 3 }]);
    expect(list.map((one) => one.slice.category.label)).toEqual(['there']);
  });
});
