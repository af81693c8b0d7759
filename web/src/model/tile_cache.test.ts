import { describe, expect, it } from 'vitest';
import { makeTile, type Tile } from './tile';
import { indexesFor, levelFor, TileCache } from './tile_cache';
import { kBase, shareTile, sliceTile } from './testing';

const tile = (level: number, index: number): Tile => makeTile(sliceTile(0, []), level, index, kBase, 256);

describe('the level', () => {
  it('has bins of one to two pixels', () => {
    for (const length of [1e3, 1e6, 77e6, 1e9]) {
      const level = levelFor({ from: 0, until: length }, 1000, kBase, 256);
      const bin = kBase / 2 ** level / 256;
      if (level > 0) expect(bin).toBeGreaterThanOrEqual(length / 1000 - 1e-9);
      expect(bin).toBeLessThanOrEqual((length / 1000) * 2);
    }
  });
  it('never goes above the run nor below a ns', () => {
    expect(levelFor({ from: 0, until: 1e15 }, 1000, kBase, 256)).toBe(0);
    expect(levelFor({ from: 0, until: 1 }, 1000, kBase, 256)).toBe(22);
  });
});

describe('the indexes', () => {
  it('are those that the view touches, the middle first, none behind the end', () => {
    expect(indexesFor({ from: 0, until: kBase }, 2, kBase, kBase)).toEqual([1, 2, 0, 3]);
    expect(indexesFor({ from: -1e9, until: 5 }, 2, kBase, kBase)).toEqual([0]);
    expect(indexesFor({ from: 0, until: kBase }, 2, kBase, kBase / 2)).toEqual([1, 0]);
  });
});

describe('the cache', () => {
  it('draws the nearest tile above until the right one comes', () => {
    const cache = new TileCache(1e6);
    cache.put(0, tile(0, 0));
    cache.put(0, tile(1, 1));
    const { pieces, exact } = cache.best(0, 3, 6, kBase);
    expect(exact).toBe(false);
    expect(pieces).toHaveLength(1);
    expect(pieces[0].tile.level).toBe(1);
    expect([pieces[0].from, pieces[0].until]).toEqual([(kBase / 8) * 6, (kBase / 8) * 7]);
    cache.put(0, tile(3, 6));
    expect(cache.best(0, 3, 6, kBase).exact).toBe(true);
  });
  it('prefers both halves to what is above, and takes one half rather than nothing', () => {
    const cache = new TileCache(1e6);
    cache.put(0, tile(3, 2));
    expect(cache.best(0, 2, 1, kBase).pieces.map((piece) => piece.tile.index)).toEqual([2]);
    cache.put(0, tile(0, 0));
    expect(cache.best(0, 2, 1, kBase).pieces.map((piece) => piece.tile.level)).toEqual([0]);
    cache.put(0, tile(3, 3));
    expect(cache.best(0, 2, 1, kBase).pieces.map((piece) => piece.tile.index)).toEqual([2, 3]);
  });
  it('keeps tracks apart', () => {
    const cache = new TileCache(1e6);
    cache.put(1, tile(0, 0));
    expect(cache.best(11, 0, 0, kBase).pieces).toEqual([]);
    expect([...cache.all(1)]).toHaveLength(1);
  });
  it('forgets what was not used for longest, and counts right', () => {
    const one = tile(5, 0).cost;
    const cache = new TileCache(one * 3);
    for (const index of [0, 1, 2]) cache.put(0, tile(5, index));
    cache.get(0, 5, 0);
    cache.put(0, tile(5, 3));
    expect(cache.get(0, 5, 1)).toBeUndefined();
    expect(cache.get(0, 5, 0)).toBeDefined();
    expect(cache.size).toBe(3);
    cache.put(0, tile(5, 3));
    expect(cache.cost).toBe(one * 3);
  });
});

describe('a tile', () => {
  it('stacks shares in one order whatever the program’s, without idle', () => {
    const { bars } = makeTile(
      shareTile(0, [
        [3, 'preempted', 0.25],
        [3, 'idle', 0.25],
        [3, 'guest', 0.5],
        [1, 'halted', 1],
      ]),
      0,
      0,
      kBase,
      256,
    );
    expect([...bars!.bin]).toEqual([1, 3, 3]);
    expect([...bars!.category].map((i) => bars!.categories[i].state)).toEqual(['halted', 'guest', 'preempted']);
    expect(bars!.top).toBe(1);
  });
  it('knows its open slices', () => {
    const json = sliceTile(0, [
      [0, 5, 'a'],
      [5, 9, 'b'],
    ]);
    json.slices!.open = [1];
    expect(makeTile(json, 0, 0, kBase, 256).slices.map((slice) => slice.open)).toEqual([false, true]);
  });
});
