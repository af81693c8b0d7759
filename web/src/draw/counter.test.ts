import { describe, expect, it } from 'vitest';
import type { Category } from '../api/types';
import { meansOf, valueOf } from './counter';

const category = (label: string): Category => ({ state: 'value', machine: 1, label, tid: -1 });

describe('a counter', () => {
  it('has its value in its label', () => {
    expect(valueOf(category('-12'))).toBe(-12);
    expect(valueOf(category('0'))).toBe(0);
    expect(valueOf(category(''))).toBeUndefined();
    expect(valueOf(category('…'))).toBeUndefined();
  });
  it('is shown as the mean of a bin, by the time that each value held', () => {
    const categories = [category('10'), category('30'), category('')];
    // In the second bin a value was there for half of the time only; in the third nobody can tell it.
    expect(meansOf(4, [0, 0, 1, 2], [0, 1, 1, 2], [0.75, 0.25, 0.5, 1], categories)).toEqual([
      15,
      30,
      undefined,
      undefined,
    ]);
  });
});
