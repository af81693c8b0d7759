// Bars as small pictures, one pixel for each bin, made once: a frame then copies one picture for each tile in place of
// thousands of rectangles.

import type { Bars } from '../model/tile';
import { eachPart } from '../model/bars';
import { parseColour } from './colour';

interface Entry {
  key: string;
  image: HTMLCanvasElement;
}

/** A part lower than a pixel is blended by how much of the pixel it covers, so that nothing that is there gets lost. */
function paint(pixels: Uint8ClampedArray, bars: Bars, height: number, top: number, colours: string[]): void {
  const rgb = colours.map((colour) => parseColour(colour));
  const put = (bin: number, row: number, cover: number, [r, g, b]: readonly number[]): void => {
    const at = ((height - 1 - row) * bars.bins + bin) * 4;
    const old = pixels[at + 3] / 255;
    const sum = Math.min(1, old + cover);
    const part = sum > 0 ? cover / (old + cover) : 0;
    pixels[at] += (r - pixels[at]) * part;
    pixels[at + 1] += (g - pixels[at + 1]) * part;
    pixels[at + 2] += (b - pixels[at + 2]) * part;
    pixels[at + 3] = sum * 255;
  };
  eachPart(bars, height, top, (bin, category, low, high) => {
    const colour = rgb[category];
    for (let row = Math.floor(low); row < high; row++) {
      put(bin, row, Math.min(high, row + 1) - Math.max(low, row), colour);
    }
  });
}

export class BarImages {
  private readonly images_ = new Map<Bars, Entry>();

  constructor(private readonly most: number) {}

  get(bars: Bars, height: number, top: number, colours: string[]): HTMLCanvasElement {
    const key = `${height}/${top}/${colours.join()}`;
    const old = this.images_.get(bars);
    if (old?.key === key) {
      this.images_.delete(bars);
      this.images_.set(bars, old);
      return old.image;
    }
    const image = document.createElement('canvas');
    image.width = bars.bins;
    image.height = Math.max(1, height);
    const context = image.getContext('2d')!;
    const data = context.createImageData(image.width, image.height);
    paint(data.data, bars, image.height, top, colours);
    context.putImageData(data, 0, 0);
    this.images_.delete(bars);
    this.images_.set(bars, { key, image });
    for (const oldest of this.images_.keys()) {
      if (this.images_.size <= this.most) break;
      this.images_.delete(oldest);
    }
    return image;
  }
}
