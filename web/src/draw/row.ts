// One row: what is there of its track, as slices or as shares, and where nothing can be known.

import { niceTop } from '../model/bars';
import { drawCounter } from './counter';
import { inset, x, type PlacedRow, type Scene } from './scene';
import { drawSlices, paintOf } from './slices';
import type { Surface } from './surface';

/**
 * What fills a row where its shares are drawn: the whole of a bin, but for disks a number of requests, and for interrupts,
 * which take little of the time, so much as shows them. Of all tiles in sight, so that these have one scale.
 */
export function scaleOf(row: PlacedRow): number {
  const { kind } = row.item.track;
  if (kind !== 'disk' && kind !== 'irq' && kind !== 'marks') return 1;
  const top = row.pieces.reduce((most, piece) => Math.max(most, piece.tile.bars?.top ?? 0), 0);
  // Slices within each other count each.
  if (kind === 'marks') return Math.max(1, top);
  return kind === 'disk' ? niceTop(Math.max(top, 1)) : Math.min(1, niceTop(top * 1000) / 1000);
}

export function drawRow(surface: Surface, scene: Scene, row: PlacedRow): void {
  const { theme } = scene;
  const { track, height } = row.item;
  if (!track.aligned) {
    surface.hatch(0, row.y, scene.width, height, theme.unaligned, 'unaligned');
    return;
  }
  if (track.kind === 'counter') {
    drawCounter(surface, scene, row);
  } else {
    drawBars(surface, scene, row);
    drawSlices(surface, scene, row);
  }
  drawHoles(surface, scene, row);
}

function drawBars(surface: Surface, scene: Scene, row: PlacedRow): void {
  const top = scaleOf(row);
  const free = inset(row);
  for (const piece of row.pieces) {
    const { bars } = piece.tile;
    if (!bars) continue;
    const left = x(scene, piece.tile.from);
    const right = x(scene, piece.tile.until);
    const draw = (): void => {
      const fills = bars.categories.map((category) => paintOf(scene, row, category).fill);
      surface.bars(bars, left, row.y + free, right - left, row.item.height - 2 * free, top, fills);
    };
    // A coarser tile stands in for a part of itself.
    if (piece.from === piece.tile.from && piece.until === piece.tile.until) draw();
    else surface.clip(x(scene, piece.from), row.y, x(scene, piece.until) - x(scene, piece.from), row.item.height, draw);
  }
  if (row.item.track.kind === 'disk' && row.pieces.some((piece) => piece.tile.bars)) {
    surface.text(8, row.y + free + 5, `${top} open`, { size: 10, fill: scene.theme.muted });
  }
}

function drawHoles(surface: Surface, scene: Scene, row: PlacedRow): void {
  for (const { tile, from, until } of row.pieces) {
    for (const hole of tile.holes) {
      const left = Math.max(x(scene, Math.max(hole[0], from)), 0);
      const right = Math.min(x(scene, Math.min(hole[1], until)), scene.width);
      if (hole[1] < from || hole[0] > until || right < left) continue;
      surface.hatch(left, row.y + 1, Math.max(right - left, 3), row.item.height - 2, scene.theme.loss, 'loss');
    }
  }
}
