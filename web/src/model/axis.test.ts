import { describe, expect, it } from 'vitest';
import { around, bounded, kShortest, niceStep, panned, span, ticks, toTime, toX, wholeRun, zoomed } from './axis';

const kRun = 10e9;

describe('the view', () => {
  it('zooms around its anchor', () => {
    const view = { from: 2e9, until: 4e9 };
    const near = zoomed(view, 0.5, 2.5e9, kRun);
    expect(span(near)).toBeCloseTo(1e9);
    expect(toX(2.5e9, near, 1000)).toBeCloseTo(toX(2.5e9, view, 1000));
  });
  it('never gets shorter than what can be told apart, nor much longer than the run', () => {
    let view = { from: 1e9, until: 2e9 };
    for (let i = 0; i < 100; i++) view = zoomed(view, 0.5, 1.5e9, kRun);
    expect(span(view)).toBeGreaterThanOrEqual(kShortest);
    for (let i = 0; i < 100; i++) view = zoomed(view, 2, 1.5e9, kRun);
    expect(span(view)).toBeLessThanOrEqual(kRun * 1.05);
  });
  it('stays with the run', () => {
    let view = { from: 1e9, until: 2e9 };
    for (let i = 0; i < 100; i++) view = panned(view, 0.5, kRun);
    expect(view.until).toBeLessThanOrEqual(kRun * 1.03);
    for (let i = 0; i < 100; i++) view = panned(view, -0.5, kRun);
    expect(view.from).toBeGreaterThanOrEqual(-kRun * 0.03);
    expect(span(view)).toBeCloseTo(1e9);
  });
  it('shows a finding with a margin, and a run without length', () => {
    expect(around({ from: 2e9, until: 3e9 }, 0.25, kRun)).toEqual({ from: 1.75e9, until: 3.25e9 });
    expect(span(wholeRun(0))).toBeGreaterThan(0);
    expect(bounded({ from: 5, until: 5 }, kRun).until).toBeGreaterThan(5);
  });
  it('tells times and places back and forth', () => {
    const view = { from: 1e9, until: 3e9 };
    expect(toTime(toX(1.7e9, view, 800), view, 800)).toBeCloseTo(1.7e9);
  });
});

describe('ticks', () => {
  it('stand at round times, labelled every fifth', () => {
    const { base, ticks: list } = ticks({ from: 0, until: 10e9 }, 1000);
    expect(base).toBe('');
    expect(list.filter((tick) => tick.label).map((tick) => tick.label)).toEqual([
      '0 s',
      '2 s',
      '4 s',
      '6 s',
      '8 s',
      '10 s',
    ]);
  });
  it('count from a base when they are deep', () => {
    const { base, ticks: list } = ticks({ from: 3_495_141_200, until: 3_495_143_200 }, 1000);
    expect(base).toBe('3.495140 s');
    const labelled = list.filter((tick) => tick.label);
    expect(labelled[0]).toEqual({ time: 3_495_141_500, label: '+1500 ns' });
    expect(labelled.length).toBeGreaterThan(3);
  });
  it.each([1, 3, 200, 5e3, 7e6, 2e12])('are never too many nor too few for a span of %d', (length) => {
    const labelled = ticks({ from: 123_456, until: 123_456 + length * 10 }, 1000).ticks.filter((tick) => tick.label);
    expect(labelled.length).toBeLessThanOrEqual(11);
    expect(labelled.length).toBeGreaterThanOrEqual(length > 1 ? 3 : 1);
    expect(new Set(labelled.map((tick) => tick.label)).size).toBe(labelled.length);
  });
  it('step by 1, 2 or 5', () => expect([1, 1.5, 3, 7, 12].map(niceStep)).toEqual([1, 2, 5, 10, 20]));
});
