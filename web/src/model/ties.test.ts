import { expect, it } from 'vitest';
import type { TrackItem } from './layout';
import { findTies, kMostTies, type DiskRow } from './ties';
import type { Slice } from './tile';
import { tinyRun } from './testing';

const run = tinyRun();
const item = (id: number): TrackItem => ({
  what: 'track',
  key: '',
  track: run.tracks[id],
  y: 0,
  height: 10,
  pinned: false,
});
const slice = (row: number, request: number): Slice => ({
  from: 0,
  until: 1,
  category: { state: 'read', machine: 1, label: '', tid: 1 },
  lane: 0,
  row,
  request,
  open: false,
  phases: [],
});
const rows = (guest: Slice[], host: Slice[]): DiskRow[] => [
  { item: item(4), host: false, slices: guest.map((one) => ({ slice: one, from: 0, until: 1 })) },
  { item: item(1), host: true, slices: host.map((one) => ({ slice: one, from: 0, until: 1 })) },
];

it('a guest’s request is tied to each of the host’s that serve it, the selected one last', () => {
  const ties = findTies(
    rows([slice(7, 0), slice(8, 0)], [slice(70, 7), slice(80, 8), slice(71, 7), slice(90, 0), slice(99, 44)]),
    7,
  );
  expect(ties.map((tie) => [tie.guest.slice.row, tie.host.slice.row, tie.strong])).toEqual([
    [8, 80, false],
    [7, 70, true],
    [7, 71, true],
  ]);
});

it('of a carpet only the selected one is left', () => {
  const many = Array.from({ length: kMostTies + 1 }, (_, i) => i + 1);
  const ties = findTies(
    rows(
      many.map((i) => slice(i, 0)),
      many.map((i) => slice(i + 1000, i)),
    ),
    5,
  );
  expect(ties.map((tie) => tie.host.slice.row)).toEqual([1005]);
});
