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
export const inset = (row: PlacedRow): number => (row.item.track.kind === 'irq' ? 1.5 : row.item.track.kind === 'disk' ? 2 : 3);

/** Where a lane of a row is drawn. */
export function laneBox(row: PlacedRow, lane: number): { y: number; h: number } {
  const free = inset(row);
  const room = row.item.height - 2 * free;
  const { kind, lanes } = row.item.track;
  if (kind !== 'disk' && kind !== 'irq') return { y: row.y + free, h: room };
  const h = room / Math.max(lanes, 1);
  return { y: row.y + free + Math.min(lane, lanes - 1) * h, h: h >= 4 ? h - 1 : Math.max(h, 1) };
}

/** The lane at a height of the canvas; undefined where the row has none to tell. */
export function laneAt(row: PlacedRow, y: number): number | undefined {
  const { kind, lanes } = row.item.track;
  if (kind !== 'disk' && kind !== 'irq') return undefined;
  const free = inset(row);
  const lane = Math.floor(((y - row.y - free) / (row.item.height - 2 * free)) * lanes);
  return Math.max(0, Math.min(lanes - 1, lane));
}
