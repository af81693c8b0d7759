// Slices of a row: a box for each, with what it is inside where there is room.

import type { Category } from '../api/types';
import { inside } from '../model/states';
import type { Slice } from '../model/tile';
import { mixed } from './colour';
import { laneBox, x, type PlacedRow, type Scene } from './scene';
import { fitted, type Surface } from './surface';
import { colourOf, inkOn, machineColour, phaseColour, type Theme } from './theme';

// A category belongs to one tile, and so to one track: its colour is found once for each theme.
const colours = new WeakMap<Category, { theme: Theme; fill: string; ink: string }>();

export function paintOf(scene: Scene, row: PlacedRow, category: Category): { fill: string; ink: string } {
  const known = colours.get(category);
  if (known?.theme === scene.theme) return known;
  const { kind, machine } = row.item.track;
  const fill = colourOf(scene.theme, kind, machine, category);
  const made = { theme: scene.theme, fill, ink: inkOn(fill) };
  colours.set(category, made);
  return made;
}

export function drawSlices(surface: Surface, scene: Scene, row: PlacedRow): void {
  const { kind } = row.item.track;
  // The right edge of what is drawn, by lane: what lies within the same pixel would change nothing.
  const edges: number[] = [];
  for (const { slice, from, until } of row.slices) {
    if (slice.category.state === 'idle') continue;
    const left = Math.max(x(scene, from), -2);
    const right = Math.min(x(scene, until), scene.width + 2);
    if (right < 0 || left > scene.width) continue;
    const edge = edges[slice.lane] ?? -Infinity;
    const instant = slice.category.state === 'instant';
    if (right <= edge && !instant) continue;
    if (!instant) edges[slice.lane] = Math.max(right, left + 0.5);
    const box = laneBox(row, slice.lane);
    const gap = right - left > 3 ? 0.75 : 0;
    if (kind === 'disk') drawRequest(surface, scene, row, slice, left, right - gap, box);
    else drawState(surface, scene, row, slice, left, right - gap, box);
    if (slice.open && right - left > 6 && right < scene.width) {
      const wide = Math.min(28, (right - left) * 0.6);
      surface.fade(right - wide, box.y, wide, box.h, scene.theme.background);
    }
  }
}

interface Box {
  y: number;
  h: number;
}

function drawState(
  surface: Surface,
  scene: Scene,
  row: PlacedRow,
  slice: Slice,
  left: number,
  right: number,
  box: Box,
): void {
  const { theme } = scene;
  const { state, machine } = slice.category;
  const { fill, ink } = paintOf(scene, row, slice.category);
  const { kind } = row.item.track;
  const wide = right - left;
  if (state === 'instant') {
    surface.rect(left - 1, row.y + 1, 2, row.item.height - 2, theme.accent);
    return;
  }
  // Interrupts are far shorter than a pixel, and must not look as if they took all of it.
  surface.rect(left, box.y, wide, box.h, kind === 'irq' && wide < 1 ? mixed(fill, theme.background, 0.5) : fill);
  if (state === 'blocked' && kind !== 'thread' && wide > 3)
    surface.hatch(left, box.y, wide, box.h, mixed(fill, theme.text, 0.35), 'asleep');
  if (state === 'preempted' && wide > 2 && machine >= 0) {
    // Whose thread has the CPU.
    surface.rect(left, box.y + box.h - 6, wide, 1, theme.background);
    surface.rect(left, box.y + box.h - 5, wide, 5, machineColour(theme, machine));
  }
  if (wide > 22 && box.h >= 11) {
    const middle = state === 'preempted' && machine >= 0 ? box.y + (box.h - 5) / 2 : box.y + box.h / 2;
    label(surface, scene, inside(kind, slice.category, scene.run.machines), left, right, middle, box.h, ink);
  }
}

function label(
  surface: Surface,
  scene: Scene,
  text: string,
  left: number,
  right: number,
  middle: number,
  height: number,
  ink: string,
): void {
  const from = Math.max(left, 0) + 4;
  const style = { size: height >= 15 ? 11 : 10, fill: ink };
  const shown = fitted(surface, text, Math.min(right, scene.width) - from - 3, style);
  if (shown) surface.text(from, middle, shown, style);
}

/** A request's bar, cut where its phases begin. */
function drawRequest(
  surface: Surface,
  scene: Scene,
  row: PlacedRow,
  slice: Slice,
  left: number,
  right: number,
  box: Box,
): void {
  const { theme, run } = scene;
  const { fill, ink } = paintOf(scene, row, slice.category);
  const wide = right - left;
  const host = row.item.track.machine === 0;
  if (wide < 2 || !slice.phases.length) {
    surface.rect(left, box.y, Math.max(wide, 1), box.h, fill);
  } else {
    for (let i = 0; i + 2 < slice.phases.length; i += 3) {
      const from = Math.max(x(scene, slice.phases[i + 1]), left);
      const until = Math.min(x(scene, slice.phases[i + 2]), right);
      if (until < from || until < 0 || from > scene.width) continue;
      const kind = slice.phases[i];
      const colour = host
        ? kind === 0
          ? mixed(fill, theme.background, 0.6)
          : fill
        : phaseColour(theme, run.phases[kind] ?? '');
      surface.rect(from, box.y, until - from, box.h, colour);
    }
  }
  if (wide > 60 && box.h >= 12 && host) {
    const owner = run.machines[slice.category.machine]?.name ?? '';
    label(surface, scene, `${owner} ${slice.category.state}`, left, right, box.y + box.h / 2, box.h, ink);
  }
}
