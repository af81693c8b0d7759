// A Surface on a 2D canvas, sharp on dense screens: edges of rectangles lie on the screen's own pixels.

import type { Bars } from '../model/tile';
import { kHatches } from './hatches';
import { fontOf, type Hatch, type Surface, type TextStyle } from './surface';
import { BarImages } from './bar_images';

export class CanvasSurface implements Surface {
  private fill_ = '';
  private font_ = '';
  private readonly patterns_ = new Map<string, CanvasPattern>();
  private readonly widths_ = new Map<string, number>();
  private readonly images_ = new BarImages(1500);

  constructor(
    private readonly context: CanvasRenderingContext2D,
    private ratio: number,
  ) {}

  /** Begins a frame: the canvas may have changed its size, and it forgets all settings then. */
  begin(width: number, height: number, ratio: number, background: string): void {
    const { context } = this;
    if (ratio !== this.ratio) this.patterns_.clear();
    this.ratio = ratio;
    const wide = Math.round(width * ratio);
    const high = Math.round(height * ratio);
    if (context.canvas.width !== wide || context.canvas.height !== high) {
      context.canvas.width = wide;
      context.canvas.height = high;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.textBaseline = 'middle';
    context.imageSmoothingEnabled = false;
    this.fill_ = '';
    this.font_ = '';
    this.rect(0, 0, width, height, background);
  }

  private snap(value: number): number {
    return Math.round(value * this.ratio) / this.ratio;
  }

  private useFill(fill: string): void {
    if (fill === this.fill_) return;
    this.context.fillStyle = this.fill_ = fill;
  }

  private useFont(style: TextStyle): void {
    const font = fontOf(style);
    if (font === this.font_) return;
    this.context.font = this.font_ = font;
  }

  rect(x: number, y: number, w: number, h: number, fill: string): void {
    const left = this.snap(x);
    const top = this.snap(y);
    const wide = Math.max(this.snap(x + w) - left, 1 / this.ratio);
    this.useFill(fill);
    this.context.fillRect(left, top, wide, this.snap(y + h) - top);
  }

  frame(x: number, y: number, w: number, h: number, stroke: string, width: number): void {
    this.context.strokeStyle = stroke;
    this.context.lineWidth = width;
    this.context.strokeRect(
      this.snap(x) + width / 2,
      this.snap(y) + width / 2,
      Math.max(w - width, 1),
      Math.max(h - width, 1),
    );
  }

  line(x1: number, y1: number, x2: number, y2: number, stroke: string, width: number, dash = false): void {
    const { context } = this;
    const shift = (Math.round(width * this.ratio) % 2) / 2 / this.ratio;
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.setLineDash(dash ? [4, 3] : []);
    context.beginPath();
    context.moveTo(this.snap(x1) + shift, this.snap(y1) + shift);
    context.lineTo(this.snap(x2) + shift, this.snap(y2) + shift);
    context.stroke();
    if (dash) context.setLineDash([]);
  }

  polygon(points: number[], fill: string): void {
    this.useFill(fill);
    this.context.beginPath();
    for (let i = 0; i < points.length; i += 2) this.context.lineTo(points[i], points[i + 1]);
    this.context.closePath();
    this.context.fill();
  }

  text(x: number, y: number, text: string, style: TextStyle): void {
    this.useFont(style);
    this.useFill(style.fill);
    this.context.textAlign = style.align ?? 'left';
    this.context.fillText(text, x, y + 0.5);
  }

  measure(text: string, style: TextStyle): number {
    const key = `${style.size}/${style.weight ?? 400}/${style.mono ? 1 : 0}/${text}`;
    let width = this.widths_.get(key);
    if (width === undefined) {
      this.useFont(style);
      width = this.context.measureText(text).width;
      if (this.widths_.size > 20_000) this.widths_.clear();
      this.widths_.set(key, width);
    }
    return width;
  }

  hatch(x: number, y: number, w: number, h: number, colour: string, kind: Hatch): void {
    const key = `${kind}/${colour}`;
    let pattern = this.patterns_.get(key);
    if (!pattern) {
      pattern = this.makePattern(colour, kind);
      this.patterns_.set(key, pattern);
    }
    this.context.fillStyle = pattern;
    this.fill_ = '';
    const left = this.snap(x);
    const top = this.snap(y);
    this.context.fillRect(left, top, Math.max(this.snap(x + w) - left, 1 / this.ratio), this.snap(y + h) - top);
  }

  private makePattern(colour: string, kind: Hatch): CanvasPattern {
    const { step, width, falling, crossed } = kHatches[kind];
    const size = Math.max(2, Math.round(step * this.ratio));
    const tile = document.createElement('canvas');
    tile.width = tile.height = size;
    const context = tile.getContext('2d')!;
    context.strokeStyle = colour;
    context.lineWidth = width * this.ratio * 0.8;
    context.beginPath();
    // Beyond the edges too, so that the corners are whole where copies meet.
    for (const shift of [-size, 0, size]) {
      if (!falling || crossed) {
        context.moveTo(shift - 1, size + 1);
        context.lineTo(shift + size + 1, -1);
      }
      if (falling || crossed) {
        context.moveTo(shift - 1, -1);
        context.lineTo(shift + size + 1, size + 1);
      }
    }
    context.stroke();
    const pattern = this.context.createPattern(tile, 'repeat')!;
    pattern.setTransform(new DOMMatrix().scale(1 / this.ratio));
    return pattern;
  }

  fade(x: number, y: number, w: number, h: number, colour: string): void {
    const gradient = this.context.createLinearGradient(x, 0, x + w, 0);
    gradient.addColorStop(0, `${colour}00`);
    gradient.addColorStop(1, colour);
    this.context.fillStyle = gradient;
    this.fill_ = '';
    this.context.fillRect(x, y, w, h);
  }

  bars(bars: Bars, x: number, y: number, w: number, h: number, top: number, colours: string[]): void {
    const image = this.images_.get(bars, Math.round(h * this.ratio), top, colours);
    const left = this.snap(x);
    this.context.drawImage(image, left, this.snap(y), this.snap(x + w) - left, h);
  }

  clip(x: number, y: number, w: number, h: number, draw: () => void): void {
    this.context.save();
    this.context.beginPath();
    this.context.rect(this.snap(x), this.snap(y), this.snap(x + w) - this.snap(x), this.snap(y + h) - this.snap(y));
    this.context.clip();
    draw();
    this.context.restore();
    this.fill_ = '';
    this.font_ = '';
  }
}
