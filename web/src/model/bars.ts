// Shares as bars: where each part of each bin stands, in pixels from the bottom.

import type { Bars } from './tile';

/** A part of one bin: from `low` to `high` of a height, colour by number. */
export type EachPart = (bin: number, category: number, low: number, high: number) => void;

/** `top`: the sum that fills the height. What goes beyond is cut. */
export function eachPart(bars: Bars, height: number, top: number, each: EachPart): void {
  let bin = -1;
  let sum = 0;
  for (let i = 0; i < bars.bin.length; i++) {
    if (bars.bin[i] !== bin) {
      bin = bars.bin[i];
      sum = 0;
    }
    const low = (sum / top) * height;
    sum += bars.share[i];
    const high = (sum / top) * height;
    if (low < height && high > low) each(bin, bars.category[i], low, Math.min(high, height));
  }
}

/** The next of 1, 2, 5, 10, 20 … : a scale for how many requests are open that does not change at every step. */
export function niceTop(top: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(top, 1)));
  for (const factor of [1, 2, 5, 10]) if (factor * power >= top * 0.999) return factor * power;
  return power * 10;
}
