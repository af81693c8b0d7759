// A program's counter: how high its value is, as a step for each value. Labels of its slices are the values.

import type { Category } from '../api/types';
import { inset, x, type PlacedRow, type Scene } from './scene';
import { mixed } from './colour';
import { fitted, type Surface } from './surface';
import { inkOn, machineColour } from './theme';

/** Undefined: it has no value. */
export function valueOf(category: Category): number | undefined {
  const value = category.label === '' ? NaN : Number(category.label);
  return Number.isFinite(value) ? value : undefined;
}

/** What the row's height stands for: of all that is in sight, and 0. */
export function rangeOf(row: PlacedRow): { low: number; high: number } {
  let [low, high] = [0, 0];
  const add = (category: Category): void => {
    const value = valueOf(category);
    if (value === undefined) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const { slice } of row.slices) add(slice.category);
  for (const { tile } of row.pieces) tile.bars?.categories.forEach(add);
  return { low, high: high > low ? high : low + 1 };
}

/** The mean value of each bin of shares; undefined where it is not known. */
export function meansOf(
  bins: number,
  bin: ArrayLike<number>,
  category: ArrayLike<number>,
  share: ArrayLike<number>,
  categories: Category[],
): (number | undefined)[] {
  const sums = new Array<number>(bins).fill(0);
  const weights = new Array<number>(bins).fill(0);
  for (let i = 0; i < bin.length; i++) {
    const value = valueOf(categories[category[i]]);
    if (value === undefined) continue;
    sums[bin[i]] += value * share[i];
    weights[bin[i]] += share[i];
  }
  return sums.map((sum, i) => (weights[i] > 0 ? sum / weights[i] : undefined));
}

export function drawCounter(surface: Surface, scene: Scene, row: PlacedRow): void {
  const { theme } = scene;
  const { low, high } = rangeOf(row);
  const top = row.y + inset(row);
  const room = row.item.height - 2 * inset(row);
  const at = (value: number): number => top + room - ((value - low) / (high - low)) * room;
  const fill = mixed(machineColour(theme, row.item.track.machine), theme.background, 0.25);
  const step = (from: number, until: number, value: number): void => {
    const left = Math.max(x(scene, from), -2);
    const right = Math.min(x(scene, until), scene.width + 2);
    if (right < 0 || left > scene.width) return;
    const [upper, lower] = [Math.min(at(value), at(0)), Math.max(at(value), at(0))];
    // A value of 0 is a value, too: a line tells it from nothing.
    surface.rect(left, Math.min(upper, lower - 1), right - left, Math.max(lower - upper, 1), fill);
  };
  for (const { tile, from, until } of row.pieces) {
    const { bars } = tile;
    if (!bars) continue;
    const length = (tile.until - tile.from) / bars.bins;
    meansOf(bars.bins, bars.bin, bars.category, bars.share, bars.categories).forEach((mean, i) => {
      const begin = Math.max(tile.from + i * length, from);
      const end = Math.min(tile.from + (i + 1) * length, until);
      if (mean !== undefined && end > begin) step(begin, end, mean);
    });
  }
  for (const { slice, from, until } of row.slices) {
    const value = valueOf(slice.category);
    if (value === undefined) continue;
    step(from, until, value);
    const [left, right] = [Math.max(x(scene, from), 0), Math.min(x(scene, until), scene.width)];
    if (right - left < 26) continue;
    const inside = at(0) - at(value) > room * 0.6;
    const style = { size: 10, fill: inside ? inkOn(fill) : theme.text };
    const shown = fitted(surface, slice.category.label, right - left - 6, style);
    if (shown) surface.text(left + 4, top + room / 2, shown, style);
  }
}
