// What the colours on the screen mean: only of what the rows in sight can show.

import { meaning, phaseMeaning } from '../model/states';
import type { PlacedRow, Scene } from './scene';
import type { Hatch, Surface } from './surface';
import { colourOf, machineColour, phaseColour } from './theme';

export interface LegendEntry {
  colour: string;
  hatch?: Hatch;
  name: string;
  text: string;
}

export function legendOf(scene: Scene): LegendEntry[] {
  const { theme, run } = scene;
  const rows: PlacedRow[] = [...scene.pinned, ...scene.rows];
  const entries: LegendEntry[] = run.machines.map((machine, i) => ({
    colour: machineColour(theme, i),
    name: machine.name,
    text: i === 0 ? 'the host’s own tasks' : `code, requests and threads of ${machine.name}`,
  }));
  const states = new Set<string>();
  const phases = new Set<number>();
  for (const row of rows) {
    const { kind } = row.item.track;
    const add = (state: string): unknown =>
      kind === 'vcpu' || kind === 'thread' ? states.add(`${kind}/${state}`) : undefined;
    for (const { slice } of row.slices) {
      add(slice.category.state);
      if (kind === 'disk' && row.item.track.machine !== 0)
        for (let i = 0; i < slice.phases.length; i += 3) phases.add(slice.phases[i]);
    }
    for (const piece of row.pieces) piece.tile.bars?.categories.forEach((category) => add(category.state));
  }
  for (const state of ['exit', 'userspace', 'preempted', 'halted', 'blocked']) {
    const kind = states.has(`vcpu/${state}`) ? 'vcpu' : states.has(`thread/${state}`) ? 'thread' : null;
    if (!kind) continue;
    const colour = colourOf(theme, kind, 1, { state, machine: -1, label: '', tid: -1 });
    entries.push({
      colour,
      ...(state === 'blocked' && kind === 'vcpu' ? { hatch: 'asleep' as const } : {}),
      ...meaning(kind, state),
    });
  }
  for (const phase of [...phases].sort((a, b) => a - b)) {
    const name = run.phases[phase] ?? '';
    entries.push({ colour: phaseColour(theme, name), ...phaseMeaning(name) });
  }
  if (rows.some((row) => row.pieces.some((piece) => piece.tile.holes.length))) {
    entries.push({
      colour: theme.loss,
      hatch: 'loss',
      name: 'events lost',
      text: 'events were lost here: what is drawn may be wrong',
    });
  }
  if (rows.some((row) => !row.item.track.aligned)) {
    entries.push({
      colour: theme.unaligned,
      hatch: 'unaligned',
      name: 'no clock',
      text: 'no trustworthy relation to the host’s clock',
    });
  }
  return entries;
}

export const kLegendHeight = 22;

/** For pictures. Answers how high it is. */
export function drawLegend(surface: Surface, scene: Scene, left: number, top: number, width: number): number {
  let [x, y] = [left, top];
  const style = { size: 11, fill: scene.theme.text };
  for (const entry of legendOf(scene)) {
    const wide = surface.measure(entry.name, style) + 34;
    if (x + wide > left + width && x > left) [x, y] = [left, y + kLegendHeight];
    if (entry.hatch)
      surface.hatch(x, y + 5, 12, 12, entry.hatch === 'asleep' ? scene.theme.muted : entry.colour, entry.hatch);
    else surface.rect(x, y + 5, 12, 12, entry.colour);
    surface.text(x + 17, y + kLegendHeight / 2, entry.name, style);
    x += wide;
  }
  return y + kLegendHeight - top;
}
