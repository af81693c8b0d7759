// The current view as a picture of its own: title, axis, heads, rows, legend. One code for PNG and SVG.

import { moment } from '../model/time';
import { drawAxis, drawOverview, kAxisHeight, kOverviewHeight, type AxisScene } from './axis';
import { CanvasSurface } from './canvas';
import { drawFrame } from './frame';
import { drawLegend } from './legend';
import type { PlacedRow, Scene } from './scene';
import { fitted, type Surface, type TextStyle } from './surface';
import { SvgSurface } from './svg';
import { machineColour } from './theme';

const kHeads = 190;
const kTitle = 34;
const kLegendRoom = 72;

/** Draws at another place. */
class Moved implements Surface {
  constructor(
    private readonly on: Surface,
    private readonly dx: number,
    private readonly dy: number,
  ) {}
  rect: Surface['rect'] = (x, y, w, h, fill) => this.on.rect(x + this.dx, y + this.dy, w, h, fill);
  frame: Surface['frame'] = (x, y, w, h, stroke, width) => this.on.frame(x + this.dx, y + this.dy, w, h, stroke, width);
  line: Surface['line'] = (x1, y1, x2, y2, ...rest) =>
    this.on.line(x1 + this.dx, y1 + this.dy, x2 + this.dx, y2 + this.dy, ...rest);
  polygon: Surface['polygon'] = (points, fill) =>
    this.on.polygon(
      points.map((p, i) => p + (i % 2 ? this.dy : this.dx)),
      fill,
    );
  text: Surface['text'] = (x, y, text, style) => this.on.text(x + this.dx, y + this.dy, text, style);
  measure: Surface['measure'] = (text, style) => this.on.measure(text, style);
  hatch: Surface['hatch'] = (x, y, ...rest) => this.on.hatch(x + this.dx, y + this.dy, ...rest);
  fade: Surface['fade'] = (x, y, ...rest) => this.on.fade(x + this.dx, y + this.dy, ...rest);
  bars: Surface['bars'] = (bars, x, y, ...rest) => this.on.bars(bars, x + this.dx, y + this.dy, ...rest);
  clip: Surface['clip'] = (x, y, w, h, draw) => this.on.clip(x + this.dx, y + this.dy, w, h, draw);
}

function drawHeads(surface: Surface, scene: Scene): void {
  const { theme, run } = scene;
  const row = ({ item, y }: PlacedRow): void => {
    const role = scene.marked?.roles.get(item.track.id);
    const style: TextStyle = { size: 11, fill: theme.text };
    const name = `${item.pinned ? `${run.machines[item.track.machine].name} ` : ''}${item.track.name}${item.track.kind === 'task' ? ' task' : ''}`;
    surface.text(20, y + item.height / 2, fitted(surface, name, kHeads - (role ? 76 : 28), style), style);
    if (role)
      surface.text(kHeads - 8, y + item.height / 2, role, { size: 10, weight: 600, align: 'right', fill: theme[role] });
  };
  surface.clip(0, scene.pinnedHeight, kHeads, scene.height - scene.pinnedHeight, () => {
    for (const { item, y } of scene.heads) {
      const machine = item.what === 'machine';
      if (machine) surface.rect(0, y, kHeads, item.height, theme.raised);
      if (machine) surface.rect(10, y + item.height / 2 - 5, 10, 10, machineColour(theme, item.machine));
      surface.text(machine ? 26 : 12, y + item.height / 2, item.title, {
        size: machine ? 12 : 10,
        weight: machine ? 600 : 500,
        fill: machine ? theme.text : theme.muted,
      });
    }
    scene.rows.forEach(row);
  });
  scene.pinned.forEach(row);
}

export interface PictureSize {
  width: number;
  height: number;
}

export const pictureSize = (scene: Scene): PictureSize => ({
  width: kHeads + scene.width,
  height: kTitle + kOverviewHeight + kAxisHeight + scene.height + kLegendRoom,
});

export function drawPicture(surface: Surface, scene: Scene, axis: AxisScene): void {
  const { width, height } = pictureSize(scene);
  const { theme, run, view } = scene;
  surface.rect(0, 0, width, height, theme.background);
  surface.text(12, kTitle / 2, run.name, { size: 14, weight: 600, fill: theme.text });
  const step = (view.until - view.from) / 1000;
  surface.text(
    width - 12,
    kTitle / 2,
    `${moment(view.from, step)} to ${moment(view.until, step)} of a run from ${run.start}`,
    { size: 11, align: 'right', fill: theme.muted },
  );
  const top = kTitle + kOverviewHeight + kAxisHeight;
  surface.clip(kHeads, kTitle, scene.width, kOverviewHeight + kAxisHeight, () => {
    const moved = new Moved(surface, kHeads, kTitle);
    drawOverview(moved, axis, 0);
    drawAxis(moved, axis, kOverviewHeight);
  });
  surface.clip(kHeads, top, scene.width, scene.height, () => drawFrame(new Moved(surface, kHeads, top), scene));
  drawHeads(new Moved(surface, 0, top), scene);
  surface.line(kHeads, kTitle, kHeads, top + scene.height, theme.line, 1);
  surface.rect(0, top + scene.height, width, kLegendRoom, theme.background);
  surface.line(0, top + scene.height, width, top + scene.height, theme.line, 1);
  drawLegend(surface, scene, 12, top + scene.height + 6, width - 24);
}

/** Whole names for a file: run and time. */
export function pictureName(scene: Scene, suffix: string): string {
  const name = scene.run.name.replace(/\.ivt$/, '').replace(/[^\w.-]+/g, '_');
  return `${name || 'run'}-${moment(scene.view.from).replace(' s', '')}s-${moment(scene.view.until).replace(' s', '')}s.${suffix}`;
}

export function toSvg(scene: Scene, axis: AxisScene, ruler: (text: string, style: TextStyle) => number): string {
  const { width, height } = pictureSize(scene);
  const surface = new SvgSurface(width, height, ruler);
  drawPicture(surface, scene, axis);
  return surface.toString();
}

/** Twice as sharp as the screen's pixels. */
export function toPng(scene: Scene, axis: AxisScene): Promise<Blob> {
  const { width, height } = pictureSize(scene);
  const canvas = document.createElement('canvas');
  const surface = new CanvasSurface(canvas.getContext('2d', { alpha: false })!, 2);
  surface.begin(width, height, 2, scene.theme.background);
  drawPicture(surface, scene, axis);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the browser made no picture'))), 'image/png'),
  );
}

/** Measures letters as a canvas does. */
export function ruler(): (text: string, style: TextStyle) => number {
  const surface = new CanvasSurface(document.createElement('canvas').getContext('2d')!, 1);
  return (text, style) => surface.measure(text, style);
}
