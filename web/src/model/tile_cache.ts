// The tiles that were fetched, the least recently drawn ones forgotten first.
//
// What is drawn for a stretch is the tile of the wanted level where it is there. Else its two halves, when both are
// there, or the nearest tile above it: it shows less, but nothing that is wrong.

import type { Tile } from './tile';
import { tileSpan } from './tile';
import type { Stretch } from './axis';

/** A tile and the part of it that stands for the place. */
export interface Piece {
  tile: Tile;
  from: number;
  until: number;
}

/** Bins are from one to two pixels wide at this level. */
export function levelFor(view: Stretch, width: number, baseSpan: number, bins: number): number {
  const perPixel = (view.until - view.from) / Math.max(width, 1);
  const level = Math.ceil(Math.log2(baseSpan / bins / (perPixel * 2)));
  const deepest = Math.floor(Math.log2(baseSpan / bins));
  return Math.max(0, Math.min(level, deepest));
}

/** The indexes of a level's tiles that a stretch touches, the middle ones first. */
export function indexesFor(view: Stretch, level: number, baseSpan: number, duration: number): number[] {
  const length = tileSpan(baseSpan, level);
  const first = Math.max(0, Math.floor(view.from / length));
  const last = Math.floor(Math.min(Math.max(view.until, 0), Math.max(duration, 1) - 1) / length);
  const middle = (view.from + view.until) / 2 / length - 0.5;
  const list: number[] = [];
  for (let i = first; i <= last; i++) list.push(i);
  return list.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
}

const key = (track: number, level: number, index: number): string => `${track}/${level}/${index}`;

export class TileCache {
  // A Map keeps the order of insertion: what is used is taken out and put in again, so the first is the oldest.
  private readonly tiles_ = new Map<string, Tile>();
  private cost_ = 0;

  constructor(private readonly limit: number) {}

  get cost(): number {
    return this.cost_;
  }

  get size(): number {
    return this.tiles_.size;
  }

  get(track: number, level: number, index: number): Tile | undefined {
    const name = key(track, level, index);
    const tile = this.tiles_.get(name);
    if (tile) {
      this.tiles_.delete(name);
      this.tiles_.set(name, tile);
    }
    return tile;
  }

  put(track: number, tile: Tile): void {
    const name = key(track, tile.level, tile.index);
    this.cost_ += tile.cost - (this.tiles_.get(name)?.cost ?? 0);
    this.tiles_.delete(name);
    this.tiles_.set(name, tile);
    for (const [oldest, old] of this.tiles_) {
      if (this.cost_ <= this.limit || oldest === name) break;
      this.tiles_.delete(oldest);
      this.cost_ -= old.cost;
    }
  }

  /** Tiles of one track, deepest level first: what is known without asking. */
  *all(track: number): Generator<Tile> {
    const prefix = `${track}/`;
    for (const [name, tile] of this.tiles_) if (name.startsWith(prefix)) yield tile;
  }

  /** The best that is there for one place. `exact` tells whether it is the tile itself. */
  best(track: number, level: number, index: number, baseSpan: number): { pieces: Piece[]; exact: boolean } {
    const own = this.get(track, level, index);
    if (own) return { pieces: [{ tile: own, from: own.from, until: own.until }], exact: true };
    const left = this.get(track, level + 1, index * 2);
    const right = this.get(track, level + 1, index * 2 + 1);
    if (left && right) {
      return { pieces: [left, right].map((tile) => ({ tile, from: tile.from, until: tile.until })), exact: false };
    }
    const length = tileSpan(baseSpan, level);
    for (let up = level - 1, at = Math.floor(index / 2); up >= 0; up--, at = Math.floor(at / 2)) {
      const tile = this.get(track, up, at);
      if (tile) return { pieces: [{ tile, from: index * length, until: (index + 1) * length }], exact: false };
    }
    const halves = [left, right].filter((tile) => tile !== undefined);
    return { pieces: halves.map((tile) => ({ tile, from: tile.from, until: tile.until })), exact: false };
  }

  /** What to draw for a stretch of a track, by time. */
  pieces(track: number, view: Stretch, level: number, baseSpan: number, duration: number): Piece[] {
    const list = indexesFor(view, level, baseSpan, duration).sort((a, b) => a - b);
    return list.flatMap((index) => this.best(track, level, index, baseSpan).pieces);
  }
}
