import type { Hatch } from './surface';

/** Lines of a hatch: their distance and width, and whether they cross or rise the other way. */
export const kHatches: Record<Hatch, { step: number; width: number; falling: boolean; crossed: boolean }> = {
  loss: { step: 7, width: 2, falling: false, crossed: true },
  unaligned: { step: 10, width: 1.5, falling: true, crossed: false },
  wait: { step: 5, width: 1.6, falling: false, crossed: false },
  asleep: { step: 6, width: 1, falling: true, crossed: false },
};
