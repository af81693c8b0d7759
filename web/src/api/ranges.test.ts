import { expect, it } from 'vitest';
import { ranges } from './ranges';

it('joins what follows each other', () => {
  expect(ranges([9, 3, 4, 5, 0, 4])).toBe('0,3-5,9');
  expect(ranges([])).toBe('');
  expect(ranges([7, 8])).toBe('7-8');
});
