import { expect, it } from 'vitest';
import { toCsv } from './csv';

it('quotes what has to be quoted, and nothing else', () => {
  expect(
    toCsv(
      ['a', 'b "c"'],
      [
        [1, null],
        ['x,y', 'line\nbreak'],
        ['plain', -2.5],
      ],
    ),
  ).toBe('a,"b ""c"""\r\n1,\r\n"x,y","line\nbreak"\r\nplain,-2.5\r\n');
});
