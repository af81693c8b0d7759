// A tile as the page keeps it: the program's columns, made ready for drawing.

import type { Category, TileJson } from '../api/types';

export interface Slice {
  from: number;
  until: number;
  category: Category;
  lane: number;
  /** Disks: io_request.id of a guest's, block_request.id of the host's; else 0. */
  row: number;
  /** Host's disks: the io_request.id that it serves. */
  request: number;
  open: boolean;
  /** Disks: kind, from, until, kind, … */
  phases: number[];
}

/** Shares of bins, by bin; within a bin in the order in which they are stacked. */
export interface Bars {
  bins: number;
  bin: Uint16Array;
  category: Uint16Array;
  share: Float32Array;
  categories: Category[];
  /** The largest sum of a bin: 1 at most, or how many requests were open. */
  top: number;
}

export interface Tile {
  level: number;
  index: number;
  from: number;
  until: number;
  complete: boolean;
  slices: Slice[];
  bars: Bars | null;
  holes: [number, number][];
  /** About how many bytes it takes. */
  cost: number;
}

export const tileSpan = (baseSpan: number, level: number): number => baseSpan / 2 ** level;

// From the bottom of a bar to its top: what the row is about first, waiting above it.
const kOrder = [
  'guest',
  'running',
  'vcpu',
  'task',
  'exit',
  'userspace',
  'qemu',
  'host',
  'preempted',
  'blocked',
  'halted',
  'irq',
  'softirq',
  'slice',
  'instant',
];
const rank = (category: Category): number => {
  const place = kOrder.indexOf(category.state);
  return (place < 0 ? kOrder.length : place) * 4096 + category.machine;
};

function makeBars(json: TileJson, bins: number): Bars {
  const { bin, category, share } = json.shares!;
  const ranks = json.categories.map(rank);
  const order = bin
    .map((_, i) => i)
    .filter((i) => json.categories[category[i]].state !== 'idle')
    .sort((a, b) => bin[a] - bin[b] || ranks[category[a]] - ranks[category[b]] || category[a] - category[b]);
  const sums = new Float64Array(bins);
  for (const i of order) sums[bin[i]] += share[i];
  return {
    bins,
    bin: Uint16Array.from(order, (i) => bin[i]),
    category: Uint16Array.from(order, (i) => category[i]),
    share: Float32Array.from(order, (i) => share[i]),
    categories: json.categories,
    top: sums.reduce((a, b) => Math.max(a, b), 0),
  };
}

function makeSlices(json: TileJson): Slice[] {
  const columns = json.slices;
  if (!columns) return [];
  const open = new Set(columns.open);
  return columns.from.map((from, i) => ({
    from,
    until: columns.until[i],
    category: json.categories[columns.category[i]],
    lane: columns.lane?.[i] ?? 0,
    row: columns.row?.[i] ?? 0,
    request: columns.request?.[i] ?? 0,
    open: open.has(i),
    phases: columns.phases?.[i] ?? [],
  }));
}

export function makeTile(json: TileJson, level: number, index: number, baseSpan: number, bins: number): Tile {
  const length = tileSpan(baseSpan, level);
  const bars = json.shares ? makeBars(json, bins) : null;
  const slices = makeSlices(json);
  return {
    level,
    index,
    from: index * length,
    until: (index + 1) * length,
    complete: json.complete,
    slices,
    bars,
    holes: json.holes,
    cost: 200 + slices.length * 120 + (bars ? bars.bin.length * 8 + bins * 64 : 0),
  };
}
