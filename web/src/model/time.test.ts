import { describe, expect, it } from 'vitest';
import { bytes, count, duration, inUnit, moment, percent } from './time';

describe('duration', () => {
  it.each([
    [0, '0 ns'],
    [7.25, '7.3 ns'],
    [930, '930 ns'],
    [1500, '1.5 us'],
    [164_500_000, '164.5 ms'],
    [9_300_000_000, '9.3 s'],
    [999_999_999, '1 s'],
    [-2_000_000, '-2 ms'],
  ])('%d ns is %s', (ns, text) => expect(duration(ns)).toBe(text));
});

describe('moment', () => {
  it('keeps the last ns of a long run', () => expect(moment(8_999_999_999_999_999, 1)).toBe('8999999.999999999 s'));
  it('has as many digits as the step asks for, and ms at least', () => {
    expect(moment(1_234_567_891, 1e9)).toBe('1.235 s');
    expect(moment(1_234_567_891, 1e6)).toBe('1.235 s');
    expect(moment(1_234_567_891, 1e3)).toBe('1.234568 s');
  });
  it('knows times before the run', () => expect(moment(-500_000_000)).toBe('-0.500000 s'));
});

describe('units', () => {
  it('are told by the column', () => {
    expect(inUnit(2_000_000, 'ns')).toBe('2 ms');
    expect(inUnit(0.256, 'share')).toBe('25.6 %');
    expect(inUnit(4096, 'bytes')).toBe('4 KiB');
    expect(inUnit(1234567, '')).toBe('1,234,567');
    expect(inUnit(1234.5, '')).toBe('1,234.50');
    expect(inUnit(null, 'ns')).toBe('');
    expect(inUnit('vm1', 'ns')).toBe('vm1');
  });
  it('are people’s', () => {
    expect(bytes(1023)).toBe('1023 B');
    expect(bytes(3 * 2 ** 30)).toBe('3 GiB');
    expect(count(1000)).toBe('1,000');
    expect(percent(1)).toBe('100 %');
    expect(percent(0)).toBe('0 %');
  });
});
