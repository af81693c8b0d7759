// The whole picture of the rows, in the order in which things lie above each other.

import { ticks } from '../model/axis';
import { drawFrameOf, drawMarks, drawRange, drawTie } from './overlays';
import { drawRow } from './row';
import { x, type PlacedRow, type Scene } from './scene';
import type { Surface } from './surface';

function drawGround(surface: Surface, scene: Scene, row: PlacedRow): void {
  const { theme } = scene;
  if (row.item.track.id === scene.current) surface.rect(0, row.y, scene.width, row.item.height, `${theme.accent}14`);
  surface.line(0, row.y + row.item.height - 0.5, scene.width, row.y + row.item.height - 0.5, `${theme.line}99`, 0.5);
}

function drawGrid(surface: Surface, scene: Scene): void {
  for (const tick of ticks(scene.view, scene.width).ticks) {
    if (tick.label) surface.line(x(scene, tick.time), 0, x(scene, tick.time), scene.height, scene.theme.line, 0.5);
  }
}

export function drawFrame(surface: Surface, scene: Scene): void {
  const { theme, pinnedHeight } = scene;
  drawGrid(surface, scene);
  surface.clip(0, pinnedHeight, scene.width, scene.height - pinnedHeight, () => {
    for (const head of scene.heads) {
      const machine = head.item.what === 'machine';
      surface.rect(0, head.y, scene.width, head.item.height, machine ? theme.raised : theme.background);
      if (machine) surface.line(0, head.y, scene.width, head.y, theme.line, 1);
    }
    for (const row of scene.rows) {
      drawGround(surface, scene, row);
      drawRow(surface, scene, row);
    }
  });
  if (scene.pinned.length) {
    surface.rect(0, 0, scene.width, pinnedHeight, theme.raised);
    for (const row of scene.pinned) {
      drawGround(surface, scene, row);
      drawRow(surface, scene, row);
    }
    surface.line(0, pinnedHeight, scene.width, pinnedHeight, theme.muted, 1);
  }
  drawMarks(surface, scene);
  for (const tie of scene.ties) drawTie(surface, scene, tie);
  drawRange(surface, scene);
  if (scene.hovered) drawFrameOf(surface, scene, scene.hovered, false);
  if (scene.selected) drawFrameOf(surface, scene, scene.selected, true);
}
