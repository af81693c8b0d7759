// What the drawing code draws on: the screen's canvas, or a recorder that writes SVG. One drawing code for both.
//
// Lengths are CSS pixels, colours CSS colours. Nothing is remembered between calls but the clip.

import type { Bars } from '../model/tile';

export interface TextStyle {
  size: number;
  fill: string;
  weight?: number;
  align?: 'left' | 'center' | 'right';
  mono?: boolean;
}

export type Hatch = 'loss' | 'unaligned' | 'wait' | 'asleep';

export interface Surface {
  rect(x: number, y: number, w: number, h: number, fill: string): void;
  frame(x: number, y: number, w: number, h: number, stroke: string, width: number): void;
  line(x1: number, y1: number, x2: number, y2: number, stroke: string, width: number, dash?: boolean): void;
  /** x, y, x, y, … */
  polygon(points: number[], fill: string): void;
  /** y is the middle of the letters. */
  text(x: number, y: number, text: string, style: TextStyle): void;
  measure(text: string, style: TextStyle): number;
  hatch(x: number, y: number, w: number, h: number, colour: string, kind: Hatch): void;
  /** Becomes `colour` from left to right: the end of what is still open. */
  fade(x: number, y: number, w: number, h: number, colour: string): void;
  /** Stacked bars from the bottom, all bins between x and x + w; `top` is the sum that fills the height. */
  bars(bars: Bars, x: number, y: number, w: number, h: number, top: number, colours: string[]): void;
  clip(x: number, y: number, w: number, h: number, draw: () => void): void;
}

export const kFont = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
export const kMono = 'ui-monospace, "SF Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace';

export const fontOf = (style: TextStyle): string =>
  `${style.weight ?? 400} ${style.size}px ${style.mono ? kMono : kFont}`;

/** The text, or as much of it as fits, or nothing. */
export function fitted(surface: Surface, text: string, room: number, style: TextStyle): string {
  if (!text || room < 14) return '';
  const full = surface.measure(text, style);
  if (full <= room) return text;
  const letters = [...text];
  let keep = Math.floor((letters.length * room) / full) - 1;
  while (keep > 2 && surface.measure(letters.slice(0, keep).join('') + '…', style) > room) keep--;
  return keep > 2 ? letters.slice(0, keep).join('') + '…' : '';
}
