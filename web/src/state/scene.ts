// The store as a scene: what the drawing code gets for a frame.

import type { PlacedHead, PlacedRow, Scene } from '../draw/scene';
import type { AxisScene } from '../draw/axis';
import { inSight, type TrackItem } from '../model/layout';
import { visibleSlices, type Visible } from '../model/slices';
import { niceTop } from '../model/bars';
import { findTies, type DiskRow } from '../model/ties';
import { levelFor, type Piece } from '../model/tile_cache';
import type { Store } from './store';

interface Remembered {
  pieces: Piece[];
  slices: Visible[];
  lanes: number;
}

function remember(pieces: Piece[]): Remembered {
  const slices = visibleSlices(pieces);
  return { pieces, slices, lanes: niceTop(slices.reduce((most, one) => Math.max(most, one.slice.lane + 1), 1)) };
}

/** Rows' slices from frame to frame: as long as the tiles are the same, so are they. */
export class RowMemory {
  private known_ = new Map<number, Remembered>();
  private next_ = new Map<number, Remembered>();

  slices(track: number, pieces: Piece[]): { slices: Visible[]; lanes: number } {
    const old = this.known_.get(track);
    const same =
      old?.pieces.length === pieces.length &&
      old.pieces.every(
        (piece, i) => piece.tile === pieces[i].tile && piece.from === pieces[i].from && piece.until === pieces[i].until,
      );
    const entry = same ? old : remember(pieces);
    this.next_.set(track, entry);
    return { slices: entry.slices, lanes: entry.lanes };
  }

  /** Rows that this frame did not have are forgotten. */
  turn(): void {
    this.known_ = this.next_;
    this.next_ = new Map();
  }
}

export function makeScene(store: Store, memory: RowMemory): Scene | null {
  const run = store.run.value;
  if (!run) return null;
  const layout = store.layout.value;
  const { width, height } = store.size.value;
  const view = store.view.value;
  const scroll = store.scroll.value;
  void store.tiles.value;
  const level = levelFor(view, width, run.base_span_ns, run.bins);
  const place = (item: TrackItem, y: number): PlacedRow => {
    const pieces = item.track.aligned
      ? store.cache.pieces(item.track.id, view, level, run.base_span_ns, run.duration_ns)
      : [];
    return { item, y, pieces, ...memory.slices(item.track.id, pieces) };
  };
  const pinned = layout.pinned.map((item) => place(item, item.y));
  const rows: PlacedRow[] = [];
  const heads: PlacedHead[] = [];
  for (const item of inSight(layout.items, scroll, height - layout.pinnedHeight)) {
    const y = layout.pinnedHeight + item.y - scroll;
    if (item.what === 'track') rows.push(place(item, y));
    else heads.push({ item, y });
  }
  memory.turn();
  const disks: DiskRow[] = [...pinned, ...rows]
    .filter((row) => row.item.track.kind === 'disk')
    .map((row) => ({
      item: row.item,
      host: row.item.track.machine === 0,
      slices: row.slices.filter((one) => one.until > view.from && one.from < view.until),
    }));
  const spot = store.selected.value;
  const selectedTrack = spot ? store.track(spot.track) : undefined;
  const request =
    spot && selectedTrack?.kind === 'disk' ? (selectedTrack.machine === 0 ? spot.slice.request : spot.slice.row) : 0;
  const roles = store.roles.value;
  const findings = store.findings.value;
  const finding = findings.is === 'there' ? findings.value.findings[store.finding.value] : undefined;
  return {
    theme: store.theme.value,
    run,
    view,
    width,
    height,
    pinnedHeight: layout.pinnedHeight,
    pinned,
    rows,
    heads,
    current: store.current.value,
    selected: spot,
    hovered: store.hover.value?.spot ?? null,
    range: store.range.value,
    marked: finding ? { from: finding.from, until: finding.until, roles } : null,
    ties: findTies(disks, request),
  };
}

export function makeAxisScene(store: Store): AxisScene {
  const findings = store.findings.value;
  return {
    theme: store.theme.value,
    view: store.view.value,
    width: store.size.value.width,
    duration: store.run.value?.duration_ns ?? 0,
    range: store.range.value,
    overview: store.overview.value,
    findings: findings.is === 'there' ? findings.value.findings : [],
  };
}
