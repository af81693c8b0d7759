import { expect, it } from 'vitest';
import { eachPart, niceTop } from './bars';
import { makeTile } from './tile';
import { kBase, shareTile } from './testing';

const parts = (shares: [number, string, number][], height: number, top: number): number[][] => {
  const list: number[][] = [];
  eachPart(makeTile(shareTile(0, shares), 0, 0, kBase, 256).bars!, height, top, (bin, _, low, high) =>
    list.push([bin, Math.round(low * 100) / 100, Math.round(high * 100) / 100]),
  );
  return list;
};

it('parts stand on each other, each bin from the bottom', () => {
  expect(
    parts(
      [
        [0, 'guest', 0.5],
        [0, 'halted', 0.25],
        [4, 'guest', 1],
      ],
      20,
      1,
    ),
  ).toEqual([
    [0, 0, 10],
    [0, 10, 15],
    [4, 0, 20],
  ]);
});

it('what goes beyond the scale is cut, not drawn over the next row', () => {
  expect(
    parts(
      [
        [0, 'read', 3],
        [0, 'write', 3],
      ],
      10,
      4,
    ),
  ).toEqual([
    [0, 0, 7.5],
    [0, 7.5, 10],
  ]);
});

it('the scale of open requests grows in round steps', () =>
  expect([0.3, 1, 1.2, 4, 9, 11, 400].map(niceTop)).toEqual([1, 1, 2, 5, 10, 20, 500]));
