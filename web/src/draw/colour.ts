// Colours as numbers, and how far apart people see them, also those who see two of three colours only.

export type Rgb = readonly [number, number, number];

/** #rrggbb only: all that the palettes use. */
export function parseColour(colour: string): Rgb {
  const value = parseInt(colour.slice(1, 7), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

export const toColour = (rgb: Rgb): string =>
  `#${rgb
    .map((part) =>
      Math.round(Math.min(255, Math.max(0, part)))
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;

/** `part` 0: a; 1: b. */
export function mixed(a: string, b: string, part: number): string {
  const from = parseColour(a);
  const to = parseColour(b);
  return toColour([0, 1, 2].map((i) => from[i] + (to[i] - from[i]) * part) as unknown as Rgb);
}

const linear = (part: number): number => (part <= 10.31475 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4);
const gamma = (part: number): number => 255 * (part <= 0.0031308 ? part * 12.92 : 1.055 * part ** (1 / 2.4) - 0.055);

export type Sight = 'full' | 'protan' | 'deutan' | 'tritan';

// Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB.
const kSights: Record<Exclude<Sight, 'full'>, number[]> = {
  protan: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  deutan: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
  tritan: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
};

export function seen(colour: string, sight: Sight): Rgb {
  const rgb = parseColour(colour);
  if (sight === 'full') return rgb;
  const m = kSights[sight];
  const [r, g, b] = rgb.map(linear);
  return [0, 3, 6].map((i) =>
    gamma(Math.min(1, Math.max(0, m[i] * r + m[i + 1] * g + m[i + 2] * b))),
  ) as unknown as Rgb;
}

function lab(rgb: Rgb): Rgb {
  const [r, g, b] = rgb.map(linear);
  const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** CIE76 in Lab: 2.3 is just noticeable; some 10 is plain at a glance. */
export function distance(a: string, b: string, sight: Sight): number {
  const [p, q] = [lab(seen(a, sight)), lab(seen(b, sight))];
  return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
}

const luminance = (rgb: Rgb): number => {
  const [r, g, b] = rgb.map(linear);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

/** WCAG's: 4.5 for text, 3 for large text and for what is no text. */
export function contrast(a: string, b: string): number {
  const [x, y] = [luminance(parseColour(a)), luminance(parseColour(b))];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}
