// Times and numbers as people read them. Input is nanoseconds.

const kUnits: [number, string][] = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'us'],
];

/** A duration with four digits at most, as the program's other commands print it: 9.3 s, 164.5 ms, 930 ns. */
export function duration(ns: number): string {
  const size = Math.abs(ns);
  for (const [unit, name] of kUnits) {
    if (size >= unit * 0.99995) {
      const value = ns / unit;
      const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 10 ? 2 : 3;
      return `${trim(value.toFixed(digits))} ${name}`;
    }
  }
  return `${trim(ns.toFixed(size < 10 ? 1 : 0))} ns`;
}

const trim = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);

/** A moment of the run, in seconds, with as many digits as a step of that size asks for (at least ms). */
export function moment(ns: number, step = 1e3): string {
  const digits = Math.min(9, Math.max(3, Math.ceil(9 - Math.log10(Math.max(step, 1)) - 1e-9)));
  return `${fixed(ns, digits)} s`;
}

/** Seconds with that many digits; integer arithmetic, since a run's last ns must not be rounded away. */
function fixed(ns: number, digits: number): string {
  const sign = ns < 0 ? '-' : '';
  const unit = 10 ** (9 - digits);
  const count = Math.round(Math.abs(ns) / unit);
  const perSecond = 10 ** digits;
  const whole = Math.floor(count / perSecond);
  return `${sign}${whole}.${String(count - whole * perSecond).padStart(digits, '0')}`;
}

/** 12345 → 12,345. */
export function count(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

export function bytes(value: number): string {
  let size = value;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (size < 1024) return `${unit === 'B' ? size : trim(size.toFixed(1))} ${unit}`;
    size /= 1024;
  }
  return `${trim(size.toFixed(1))} TiB`;
}

export function percent(share: number): string {
  const value = share * 100;
  return `${value.toFixed(value >= 99.95 || value === 0 ? 0 : 1)} %`;
}

/** A value of a table in the unit that its column names. */
export function inUnit(value: number | string | null, unit: string): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  switch (unit) {
    case 'ns':
      return duration(value);
    case 'share':
      return percent(value);
    case 'bytes':
      return bytes(value);
    default:
      return Number.isInteger(value) ? count(value) : count(Math.trunc(value)) + value.toFixed(2).replace(/^-?\d+/, '');
  }
}
