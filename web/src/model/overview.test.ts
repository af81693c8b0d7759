import { expect, it } from 'vitest';
import { kColumns, makeOverview } from './overview';
import { makeTile } from './tile';
import { kBase, shareTile, sliceTile } from './testing';

it('adds up who had the CPUs, from slices and from shares alike', () => {
  const half = kBase / 2;
  const slices = makeTile(sliceTile(0, [[0, half / 2, 'x']], 'vcpu'), 1, 0, kBase, 256);
  const shares = makeTile(
    shareTile(1, [
      [0, 'vcpu', 0.5],
      [1, 'idle', 1],
    ]),
    1,
    0,
    kBase,
    256,
  );
  const piece = (tile: typeof slices) => [{ tile, from: tile.from, until: tile.until }];
  const { machines } = makeOverview([piece(slices), piece(shares)], kBase, 3);
  expect(machines).toHaveLength(3);
  expect(machines[1][0]).toBeCloseTo(0.75);
  expect(machines[1][1]).toBeCloseTo(0.5);
  expect(machines[1][kColumns / 2]).toBe(0);
  expect(machines[0][0]).toBe(0);
});
