import { expect, it } from 'vitest';
import { makeTile, tileSpan } from '../model/tile';
import { TileCache } from '../model/tile_cache';
import { kBase, shareTile, sliceTile, tilesOnly, tinyRun } from '../model/testing';
import { findSlice } from './find_slice';

/** Slices of 1000 ns each; shares where there would be more than 512. */
function source(asked: number[] = []) {
  return tilesOnly(async (level, index, [track]) => {
    asked.push(level);
    const span = tileSpan(kBase, level);
    if (span > 512_000) return [shareTile(track, [[0, 'task', 1]])];
    const first = Math.floor((index * span) / 1000);
    return [
      sliceTile(
        track,
        Array.from({ length: Math.ceil(span / 1000) + 1 }, (_, i) => [
          (first + i) * 1000,
          (first + i + 1) * 1000,
          `s${first + i}`,
        ]),
      ),
    ];
  });
}

it('finds the slice under a point where shares only are drawn', async () => {
  const slice = await findSlice(source(), new TileCache(1e7), tinyRun(), {
    track: 0,
    from: 500_500,
    until: 500_501,
    row: 0,
  });
  expect(slice?.category.label).toBe('s500');
});

it('finds a slice by its own times, in few steps, and then from the cache', async () => {
  const asked: number[] = [];
  const cache = new TileCache(1e7);
  const place = { track: 0, from: 77_000, until: 78_000, row: 0 };
  expect((await findSlice(source(asked), cache, tinyRun(), place))?.category.label).toBe('s77');
  expect(asked).toHaveLength(1);
  await findSlice(source(asked), cache, tinyRun(), place);
  expect(asked).toHaveLength(1);
});

it('of a disk takes the request itself', async () => {
  const json = sliceTile(4, [
    [0, 100, 'a'],
    [0, 100, 'b'],
  ]);
  json.slices!.row = [7, 8];
  const cache = new TileCache(1e7);
  const only = tilesOnly(async () => [json]);
  expect((await findSlice(only, cache, tinyRun(), { track: 4, from: 0, until: 100, row: 8 }))?.category.label).toBe(
    'b',
  );
  expect(await findSlice(only, cache, tinyRun(), { track: 4, from: 0, until: 100, row: 9 })).toBeUndefined();
});

it('of a report takes what is there, and asks nobody', async () => {
  const cache = new TileCache(1e7);
  cache.put(0, makeTile(sliceTile(0, [[0, 100, 'there']]), 0, 0, kBase, 256));
  const report = { ...source(), live: false, tiles: () => Promise.reject(new Error('asked')) };
  expect((await findSlice(report, cache, tinyRun(), { track: 0, from: 40, until: 41, row: 0 }))?.category.label).toBe(
    'there',
  );
  expect(await findSlice(report, cache, tinyRun(), { track: 1, from: 40, until: 41, row: 0 })).toBeUndefined();
});
