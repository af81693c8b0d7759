// The stretch of time that is seen, and the ticks of its axis.

export interface Stretch {
  from: number;
  until: number;
}

/** Deeper than this nothing is told apart any more: the clock's own steps are larger. */
export const kShortest = 200;

export const span = (view: Stretch): number => view.until - view.from;

export const toX = (time: number, view: Stretch, width: number): number =>
  ((time - view.from) / (view.until - view.from)) * width;

export const toTime = (x: number, view: Stretch, width: number): number => view.from + (x / width) * span(view);

/** The nearest stretch that can be shown: not too short, not longer than the run with a little air, and touching it. */
export function bounded(view: Stretch, duration: number): Stretch {
  const air = duration * 0.02;
  const length = Math.min(Math.max(span(view), kShortest), Math.max(duration + 2 * air, kShortest));
  const middle = (view.from + view.until) / 2;
  const from = Math.min(Math.max(middle - length / 2, -air), Math.max(-air, duration + air - length));
  return { from, until: from + length };
}

/** Zooms by a factor (below 1: in) around a time that keeps its place. */
export function zoomed(view: Stretch, factor: number, anchor: number, duration: number): Stretch {
  const length = Math.min(Math.max(span(view) * factor, kShortest), Math.max(duration * 1.04, kShortest));
  const part = (anchor - view.from) / span(view);
  const from = anchor - length * part;
  return bounded({ from, until: from + length }, duration);
}

/** Moves by a part of what is seen; above 0: to later times. */
export function panned(view: Stretch, part: number, duration: number): Stretch {
  const by = span(view) * part;
  return bounded({ from: view.from + by, until: view.until + by }, duration);
}

/** A stretch with some of what lies around it. */
export function around(stretch: Stretch, margin: number, duration: number): Stretch {
  const by = Math.max(span(stretch) * margin, kShortest / 2);
  return bounded({ from: stretch.from - by, until: stretch.until + by }, duration);
}

export const wholeRun = (duration: number): Stretch => bounded({ from: 0, until: Math.max(duration, 1) }, duration);

export interface Tick {
  time: number;
  /** Empty: a small tick between two with words. */
  label: string;
}

export interface Ticks {
  /** What the labels count from, in words; empty: from the run's start. */
  base: string;
  ticks: Tick[];
}

/** A step of 1, 2 or 5 with a power of ten. */
export function niceStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(atLeast, 1)));
  for (const factor of [1, 2, 5, 10]) {
    if (power * factor >= atLeast * (1 - 1e-9)) return power * factor;
  }
  return power * 10;
}

function tickLabel(time: number, step: number): string {
  const digits = Math.max(0, Math.ceil(9 - Math.log10(step) - 1e-9));
  return `${(time / 1e9).toFixed(digits)} s`;
}

/** Below 10 us full seconds are too long to read: then labels tell the distance from a round time, in us or ns. */
export function ticks(view: Stretch, width: number, room = 110): Ticks {
  const step = niceStep((span(view) / Math.max(width, 1)) * room);
  const small = step / 5;
  const list: Tick[] = [];
  const deep = step < 1e4;
  const grid = deep ? niceStep(span(view)) * 10 : 0;
  const base = deep ? Math.floor(view.from / grid) * grid : 0;
  for (let i = Math.ceil((view.from - base) / small); i * small + base <= view.until; i++) {
    const offset = i * small;
    const labelled = i % 5 === 0;
    list.push({
      time: base + offset,
      label: !labelled ? '' : deep ? deepLabel(offset, step) : tickLabel(offset, step),
    });
  }
  return { base: deep ? `${(base / 1e9).toFixed(6)} s` : '', ticks: list };
}

function deepLabel(offset: number, step: number): string {
  if (step < 1000)
    return offset >= 1e4 || offset <= -1e4 ? `+${(offset / 1e3).toFixed(3)} us` : `+${Math.round(offset)} ns`;
  return `+${Math.round(offset / 1e3)} us`;
}
