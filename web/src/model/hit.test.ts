import { describe, expect, it } from 'vitest';
import { binAt, dragged, holeAt, rowAt, sliceAt } from './hit';
import { layOut, noChoices } from './layout';
import { visibleSlices } from './slices';
import { makeTile } from './tile';
import { kBase, shareTile, sliceTile, tinyRun } from './testing';

const slicesOf = (list: [number, number, string][], lanes?: number[]) => {
  const json = sliceTile(0, list);
  json.slices!.lane = lanes;
  const tile = makeTile(json, 0, 0, kBase, 256);
  return visibleSlices([{ tile, from: tile.from, until: tile.until }]);
};
const label = (hit: ReturnType<typeof sliceAt>): string | undefined => hit?.slice.category.label;

describe('a slice is hit', () => {
  it('inside, and near by when it is thin', () => {
    const slices = slicesOf([
      [100, 200, 'a'],
      [500, 501, 'b'],
    ]);
    expect(label(sliceAt(slices, 150, 0, undefined))).toBe('a');
    expect(label(sliceAt(slices, 200, 0, undefined))).toBe('a');
    expect(label(sliceAt(slices, 300, 5, undefined))).toBeUndefined();
    expect(label(sliceAt(slices, 505, 10, undefined))).toBe('b');
  });
  it('by the nearest, and of nested ones by the inner', () => {
    expect(
      label(
        sliceAt(
          slicesOf([
            [0, 100, 'outer'],
            [40, 60, 'inner'],
          ]),
          50,
          0,
          undefined,
        ),
      ),
    ).toBe('inner');
    expect(
      label(
        sliceAt(
          slicesOf([
            [0, 100, 'a'],
            [110, 200, 'b'],
          ]),
          108,
          20,
          undefined,
        ),
      ),
    ).toBe('b');
  });
  it('in its own lane only', () => {
    const slices = slicesOf(
      [
        [0, 100, 'a'],
        [0, 100, 'b'],
      ],
      [0, 1],
    );
    expect(label(sliceAt(slices, 50, 0, 1))).toBe('b');
    expect(label(sliceAt(slices, 50, 0, 2))).toBeUndefined();
  });
});

describe('a bin is hit', () => {
  const tile = makeTile(
    shareTile(
      0,
      [
        [2, 'halted', 0.2],
        [2, 'guest', 0.8],
        [3, 'guest', 1],
      ],
      { holes: [[10, 20]] },
    ),
    0,
    0,
    kBase,
    256,
  );
  const pieces = [{ tile, from: tile.from, until: tile.until }];
  it('with its shares, the largest first', () => {
    const hit = binAt(pieces, (kBase / 256) * 2.5);
    expect(hit?.shares.map((one) => one.category.state)).toEqual(['guest', 'halted']);
    expect([hit?.from, hit?.until]).toEqual([(kBase / 256) * 2, (kBase / 256) * 3]);
  });
  it('where shares are drawn only', () => expect(binAt(pieces, -1)).toBeUndefined());
  it('and a hole', () => {
    expect(holeAt(pieces, 15)).toEqual([10, 20]);
    expect(holeAt(pieces, 20)).toBeUndefined();
  });
});

describe('a row is hit', () => {
  it('pinned ones first, the others as they are scrolled', () => {
    const layout = layOut(tinyRun(), { ...noChoices(), pinned: ['vm2/vcpu/0'] });
    expect(rowAt(layout, 5, 0)?.key).toBe('vm2/vcpu/0');
    const cpu = layout.items.find((item) => item.key === 'host/cpu/0')!;
    expect(rowAt(layout, layout.pinnedHeight + cpu.y + 1, 0)?.key).toBe('host/cpu/0');
    expect(rowAt(layout, layout.pinnedHeight + 1, cpu.y)?.key).toBe('host/cpu/0');
    expect(rowAt(layout, layout.pinnedHeight + 1, 0)).toBeUndefined();
  });
});

it('a drag has its earlier end first', () => expect(dragged(9, 2)).toEqual({ from: 2, until: 9 }));
