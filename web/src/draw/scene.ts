// What a frame shows: all that the drawing code needs, and nothing that it could change.

import type { Run } from '../api/types';
import { toX, type Stretch } from '../model/axis';
import type { HeadItem, TrackItem } from '../model/layout';
import type { Visible } from '../model/slices';
import type { Tie } from '../model/ties';
import type { Slice } from '../model/tile';
import type { Piece } from '../model/tile_cache';
import type { Theme } from './theme';

export interface PlacedRow {
  item: TrackItem;
  /** On the canvas. */
  y: number;
  pieces: Piece[];
  slices: Visible[];
  /** Into how many lanes its height is cut: as many as the slices need, in round steps. */
  lanes: number;
}

export interface PlacedHead {
  item: HeadItem;
  y: number;
}

/** A slice on a track, to be framed. */
export interface Spot {
  track: number;
  slice: Slice;
}

export type Role = 'victim' | 'culprit';

export interface Scene {
  theme: Theme;
  run: Run;
  view: Stretch;
  width: number;
  height: number;
  pinnedHeight: number;
  /** Pinned rows first in both. */
  pinned: PlacedRow[];
  rows: PlacedRow[];
  heads: PlacedHead[];
  /** The track that the keyboard is on; -1: none. */
  current: number;
  selected: Spot | null;
  hovered: Spot | null;
  range: Stretch | null;
  /** A finding's place. */
  marked: (Stretch & { roles: ReadonlyMap<number, Role> }) | null;
  ties: Tie[];
}

export const x = (scene: Scene, time: number): number => toX(time, scene.view, scene.width);

/** How much of a row's height stays free above and below what is drawn. */
export const inset = (row: PlacedRow): number =>
  row.item.track.kind === 'irq' ? 1.5 : row.item.track.kind === 'disk' ? 2 : 3;

const hasLanes = (row: PlacedRow): boolean =>
  row.item.track.kind === 'disk' || row.item.track.kind === 'irq' || row.item.track.kind === 'marks';

/** Where a lane of a row is drawn. */
export function laneBox(row: PlacedRow, lane: number): { y: number; h: number } {
  const free = inset(row);
  const room = row.item.height - 2 * free;
  if (!hasLanes(row)) return { y: row.y + free, h: room };
  const h = room / row.lanes;
  // What lies within a program's slice stands below it.
  if (row.item.track.kind === 'marks')
    return { y: row.y + free + Math.min(lane, row.lanes - 1) * h, h: h >= 4 ? h - 1 : Math.max(h, 1) };
  // From the bottom, as the bars of open requests.
  return { y: row.y + free + room - (Math.min(lane, row.lanes - 1) + 1) * h, h: h >= 4 ? h - 1 : Math.max(h, 1) };
}

/** The lane at a height of the canvas; undefined where the row has none to tell. */
export function laneAt(row: PlacedRow, y: number): number | undefined {
  if (!hasLanes(row)) return undefined;
  const free = inset(row);
  const part = (y - row.y - free) / (row.item.height - 2 * free);
  const lane = Math.floor((row.item.track.kind === 'marks' ? part : 1 - part) * row.lanes);
  return Math.max(0, Math.min(row.lanes - 1, lane));
}
