// A Surface that writes SVG.

import type { Bars } from '../model/tile';
import { eachPart } from '../model/bars';
import { kHatches } from './hatches';
import { kFont, kMono, type Hatch, type Surface, type TextStyle } from './surface';

const kEscapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text for XML: escaped, and without the characters that XML cannot hold at all. */
export const xml = (text: string): string =>
  text
    .replace(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      '\ufffd',
    )
    .replace(/[&<>"']/g, (letter) => kEscapes[letter]);

/** A colour as XML: #rrggbbaa is not known everywhere, so its opacity goes apart. */
function paint(name: 'fill' | 'stroke', colour: string): string {
  if (!/^#[0-9a-f]{8}$/i.test(colour)) return `${name}="${xml(colour)}"`;
  return `${name}="${colour.slice(0, 7)}" ${name}-opacity="${n(parseInt(colour.slice(7), 16) / 255)}"`;
}

const n = (value: number): string => String(Math.round(value * 100) / 100);

export class SvgSurface implements Surface {
  private readonly body_: string[] = [];
  private readonly defs_ = new Map<string, string>();

  /** `ruler` measures letters as the screen does. */
  constructor(
    private readonly width: number,
    private readonly height: number,
    private readonly ruler: (text: string, style: TextStyle) => number,
  ) {}

  rect(x: number, y: number, w: number, h: number, fill: string): void {
    this.body_.push(
      `<rect x="${n(x)}" y="${n(y)}" width="${n(Math.max(w, 0.5))}" height="${n(h)}" ${paint('fill', fill)}/>`,
    );
  }

  frame(x: number, y: number, w: number, h: number, stroke: string, width: number): void {
    this.body_.push(
      `<rect x="${n(x + width / 2)}" y="${n(y + width / 2)}" width="${n(Math.max(w - width, 1))}" height="${n(Math.max(h - width, 1))}" fill="none" ${paint('stroke', stroke)} stroke-width="${n(width)}"/>`,
    );
  }

  line(x1: number, y1: number, x2: number, y2: number, stroke: string, width: number, dash = false): void {
    this.body_.push(
      `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" ${paint('stroke', stroke)} stroke-width="${n(width)}"${dash ? ' stroke-dasharray="4 3"' : ''}/>`,
    );
  }

  polygon(points: number[], fill: string): void {
    this.body_.push(`<polygon points="${points.map(n).join(' ')}" ${paint('fill', fill)}/>`);
  }

  text(x: number, y: number, text: string, style: TextStyle): void {
    const anchor = { left: 'start', center: 'middle', right: 'end' }[style.align ?? 'left'];
    this.body_.push(
      `<text x="${n(x)}" y="${n(y + style.size * 0.35)}" font-family="${xml(style.mono ? kMono : kFont)}" font-size="${style.size}" font-weight="${style.weight ?? 400}" text-anchor="${anchor}" ${paint('fill', style.fill)}>${xml(text)}</text>`,
    );
  }

  measure(text: string, style: TextStyle): number {
    return this.ruler(text, style);
  }

  private define(key: string, make: (id: string) => string): string {
    const id = `d${this.defs_.size}`;
    const known = this.defs_.get(key);
    if (known) return known;
    this.defs_.set(key, id);
    this.defs_.set(`${key} text`, make(id));
    return id;
  }

  hatch(x: number, y: number, w: number, h: number, colour: string, kind: Hatch): void {
    const { step, width, falling, crossed } = kHatches[kind];
    const id = this.define(`hatch ${kind} ${colour}`, (name) => {
      const lines = crossed ? `M0 0H${step}M0 0V${step}` : `M0 0H${step}`;
      return `<pattern id="${name}" width="${step}" height="${step}" patternUnits="userSpaceOnUse" patternTransform="rotate(${falling ? 45 : -45})"><path d="${lines}" ${paint('stroke', colour)} stroke-width="${width}"/></pattern>`;
    });
    this.rect(x, y, w, h, `url(#${id})`);
  }

  fade(x: number, y: number, w: number, h: number, colour: string): void {
    const id = this.define(`fade ${colour}`, (name) => {
      const stop = (offset: number, opacity: number): string =>
        `<stop offset="${offset}" stop-color="${xml(colour)}" stop-opacity="${opacity}"/>`;
      return `<linearGradient id="${name}">${stop(0, 0)}${stop(1, 1)}</linearGradient>`;
    });
    this.rect(x, y, w, h, `url(#${id})`);
  }

  bars(bars: Bars, x: number, y: number, w: number, h: number, top: number, colours: string[]): void {
    const wide = w / bars.bins;
    const paths = new Map<string, string[]>();
    eachPart(bars, h, top, (bin, category, low, high) => {
      const left = x + bin * wide;
      if (left + wide < 0 || left > this.width) return;
      const list = paths.get(colours[category]) ?? [];
      paths.set(colours[category], list);
      list.push(`M${n(left)} ${n(y + h - high)}h${n(wide)}v${n(high - low)}h${n(-wide)}z`);
    });
    for (const [colour, list] of paths)
      this.body_.push(`<path d="${list.join('')}" ${paint('fill', colour)} shape-rendering="crispEdges"/>`);
  }

  clip(x: number, y: number, w: number, h: number, draw: () => void): void {
    const shape = `<rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}"/>`;
    const id = this.define(`clip ${shape}`, (name) => `<clipPath id="${name}">${shape}</clipPath>`);
    this.body_.push(`<g clip-path="url(#${id})">`);
    draw();
    this.body_.push('</g>');
  }

  toString(): string {
    const size = `width="${n(this.width)}" height="${n(this.height)}" viewBox="0 0 ${n(this.width)} ${n(this.height)}"`;
    const defs = [...this.defs_].filter(([key]) => key.endsWith(' text')).map(([, text]) => text);
    return `<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n<defs>${defs.join('')}</defs>\n${this.body_.join('\n')}\n</svg>\n`;
  }
}
