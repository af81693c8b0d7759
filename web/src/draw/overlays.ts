// What lies above the rows: ties, the selected range, a finding's place, frames around slices.

import { duration } from '../model/time';
import type { Tie } from '../model/ties';
import { laneBox, x, type PlacedRow, type Scene, type Spot } from './scene';
import type { Surface } from './surface';

const rowOf = (scene: Scene, track: number): PlacedRow[] =>
  [...scene.pinned, ...scene.rows].filter((row) => row.item.track.id === track);

export function drawFrameOf(surface: Surface, scene: Scene, spot: Spot, strong: boolean): void {
  for (const row of rowOf(scene, spot.track)) {
    const box = laneBox(row, spot.slice.lane);
    const left = Math.max(x(scene, spot.slice.from), -4);
    const right = Math.min(x(scene, spot.slice.until), scene.width + 4);
    if (right < -3 || left > scene.width + 3) continue;
    const wide = Math.max(right - left, 3);
    if (strong) surface.frame(left - 3, box.y - 3, wide + 6, box.h + 6, scene.theme.background, 1.5);
    surface.frame(left - 2, box.y - 2, wide + 4, box.h + 4, scene.theme.selected, strong ? 2 : 1);
  }
}

/** From the guest's request to the host's: lines at both ends; for a selected one the area between them too. */
export function drawTie(surface: Surface, scene: Scene, tie: Tie): void {
  const guest = rowOf(scene, tie.guest.item.track.id)[0];
  const host = rowOf(scene, tie.host.item.track.id)[0];
  if (!guest || !host) return;
  const upper = laneBox(guest, tie.guest.slice.lane);
  const lower = laneBox(host, tie.host.slice.lane);
  const below = upper.y > lower.y;
  const y1 = below ? upper.y : upper.y + upper.h;
  const y2 = below ? lower.y + lower.h : lower.y;
  const [a, b] = [x(scene, tie.guest.slice.from), x(scene, tie.guest.slice.until)];
  const [c, d] = [x(scene, tie.host.slice.from), x(scene, tie.host.slice.until)];
  const { theme } = scene;
  if (tie.strong) surface.polygon([a, y1, b, y1, d, y2, c, y2], `${theme.accent}2e`);
  const stroke = tie.strong ? theme.accent : `${theme.muted}88`;
  const width = tie.strong ? 2 : 1;
  surface.line(a, y1, c, y2, stroke, width);
  if (Math.abs(b - a) > 3) surface.line(b, y1, d, y2, stroke, width, !tie.strong);
}

export function drawRange(surface: Surface, scene: Scene): void {
  const { range, theme } = scene;
  if (!range) return;
  const left = x(scene, range.from);
  const right = x(scene, range.until);
  if (right < 0 || left > scene.width) return;
  surface.rect(
    Math.max(left, 0),
    0,
    Math.min(right, scene.width) - Math.max(left, 0),
    scene.height,
    `${theme.accent}22`,
  );
  for (const edge of [left, right]) {
    if (edge >= 0 && edge <= scene.width) surface.line(edge, 0, edge, scene.height, theme.accent, 1.5);
  }
  const style = { size: 11, fill: theme.background, weight: 600 };
  const text = duration(range.until - range.from);
  const wide = surface.measure(text, style) + 12;
  const middle = Math.min(
    Math.max((Math.max(left, 0) + Math.min(right, scene.width)) / 2, wide / 2),
    scene.width - wide / 2,
  );
  surface.rect(middle - wide / 2, scene.height - 22, wide, 18, theme.accent);
  surface.text(middle, scene.height - 13, text, { ...style, align: 'center' });
}

/** The finding's time over all rows, and edges on the rows of who suffers and who is to blame. */
export function drawMarks(surface: Surface, scene: Scene): void {
  const { marked, theme } = scene;
  if (!marked) return;
  const left = Math.max(x(scene, marked.from), 0);
  const right = Math.min(x(scene, marked.until), scene.width);
  if (right < left) return;
  for (const edge of [left, right]) surface.line(edge, 0, edge, scene.height, `${theme.victim}aa`, 1, true);
  const draw = (row: PlacedRow): void => {
    const role = marked.roles.get(row.item.track.id);
    if (!role) return;
    const colour = role === 'victim' ? theme.victim : theme.culprit;
    surface.rect(left, row.y, right - left, 2, colour);
    surface.rect(left, row.y + row.item.height - 2, right - left, 2, colour);
    surface.rect(0, row.y, 4, row.item.height, colour);
  };
  surface.clip(0, scene.pinnedHeight, scene.width, scene.height - scene.pinnedHeight, () => scene.rows.forEach(draw));
  scene.pinned.forEach(draw);
}
