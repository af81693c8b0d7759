// Fetches the tiles of what is seen: few requests at a time, those in the middle first, and no longer than they are
// wanted. While the run is still being read a tile that may grow is fetched again, but not at every poll.

import { ApiError, isAbort } from '../api/source';
import { inSight, type TrackItem } from '../model/layout';
import { makeTile } from '../model/tile';
import { indexesFor, levelFor } from '../model/tile_cache';
import type { Store } from './store';

export const kAtOnce = 4;
const kTracksPerRequest = 48;
/** Rows that stand so many pixels outside are fetched too. */
const kOverscan = 160;
/** A tile that may grow is asked for again after so long. */
const kAgainMs = 700;
/** And one that could not be had, after so long. */
const kFailedMs = 2000;

interface Want {
  level: number;
  index: number;
  tracks: number[];
}

interface Flight {
  want: Want;
  abort: AbortController;
}

const keyOf = (want: { level: number; index: number }): string => `${want.level}/${want.index}`;

export class Loader {
  private flights_: Flight[] = [];
  private readonly fetched_ = new Map<string, number>();
  private readonly failed_ = new Map<string, number>();
  private timer_: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The level at which what is (or will be) seen is drawn. */
  level(): number {
    const { run, size, target } = this.store;
    const known = run.peek();
    return known ? levelFor(target.peek(), size.peek().width, known.base_span_ns, known.bins) : 0;
  }

  private rows(): number[] {
    const { pinned, items, pinnedHeight } = this.store.layout.peek();
    const height = this.store.size.peek().height - pinnedHeight;
    const seen = inSight(items, this.store.scroll.peek() - kOverscan, height + 2 * kOverscan);
    const tracks = [...pinned, ...seen].filter((item): item is TrackItem => item.what === 'track');
    return tracks.filter((item) => item.track.aligned).map((item) => item.track.id);
  }

  private stale(track: number, level: number, index: number): boolean {
    const tile = this.store.cache.get(track, level, index);
    if (tile?.complete) return false;
    const at = this.fetched_.get(`${track}/${level}/${index}`) ?? -Infinity;
    if (tile) return this.now() - at > kAgainMs;
    return !this.failed_.has(`${level}/${index}`);
  }

  /** What is missing, the most urgent first. */
  wanted(): Want[] {
    const run = this.store.run.peek();
    if (!run || run.base_span_ns <= 0) return [];
    const level = this.level();
    const rows = this.rows();
    const list: Want[] = [];
    const add = (at: number, index: number, tracks: number[]): void => {
      const missing = tracks.filter((track) => this.stale(track, at, index));
      for (let i = 0; i < missing.length; i += kTracksPerRequest) {
        list.push({ level: at, index, tracks: missing.slice(i, i + kTracksPerRequest) });
      }
    };
    const indexes = indexesFor(this.store.target.peek(), level, run.base_span_ns, run.duration_ns);
    for (const index of indexes) add(level, index, rows);
    for (const index of indexesFor({ from: 0, until: run.duration_ns }, 1, run.base_span_ns, run.duration_ns)) {
      add(1, index, this.cpus());
    }
    return list;
  }

  /** The host's CPUs, of which the strip of the whole run is made. */
  cpus(): number[] {
    const tracks = this.store.run.peek()?.tracks ?? [];
    return tracks
      .filter((track) => track.kind === 'cpu' && track.machine === 0 && track.aligned)
      .slice(0, 64)
      .map((track) => track.id);
  }

  /** Gives up what is no longer wanted and begins what is. To be called when anything has changed. */
  update(): void {
    if (!this.store.source.live) return;
    const wanted = this.wanted();
    const keys = new Set(wanted.map(keyOf));
    for (const flight of this.flights_) if (!keys.has(keyOf(flight.want))) flight.abort.abort();
    this.flights_ = this.flights_.filter((flight) => !flight.abort.signal.aborted);
    const busy = new Set(
      this.flights_.flatMap((flight) => flight.want.tracks.map((track) => `${track}/${keyOf(flight.want)}`)),
    );
    for (const want of wanted) {
      if (this.flights_.length >= kAtOnce) break;
      const tracks = want.tracks.filter((track) => !busy.has(`${track}/${keyOf(want)}`));
      if (tracks.length) void this.fetch({ ...want, tracks });
    }
    this.store.loading.value = this.flights_.length;
    this.wake();
  }

  /** Tiles that may grow, or could not be had, are looked at again in a while. */
  private wake(): void {
    const growing = this.store.run.peek()?.progress.done === false;
    if (this.timer_ !== undefined || (!growing && this.failed_.size === 0)) return;
    this.timer_ = setTimeout(() => {
      this.timer_ = undefined;
      for (const [key, at] of this.failed_) if (this.now() - at > kFailedMs) this.failed_.delete(key);
      this.update();
    }, kAgainMs);
  }

  private async fetch(want: Want): Promise<void> {
    const flight = { want, abort: new AbortController() };
    this.flights_.push(flight);
    const { base_span_ns, bins } = this.store.run.peek()!;
    try {
      const tiles = await this.store.source.tiles(want.level, want.index, want.tracks, flight.abort.signal);
      for (const tile of tiles) {
        this.store.cache.put(tile.track, makeTile(tile, want.level, want.index, base_span_ns, bins));
        if (!tile.complete) this.fetched_.set(`${tile.track}/${keyOf(want)}`, this.now());
      }
      this.store.tiles.value++;
      this.store.silent.value = '';
    } catch (error) {
      // Asked for again in a while, or when the view has moved.
      if (!isAbort(error)) this.failed_.set(keyOf(want), this.now());
      if (error instanceof ApiError && error.status === 0) this.store.silent.value = `${error.message}: ${error.hint}`;
    } finally {
      this.flights_ = this.flights_.filter((one) => one !== flight);
      this.update();
    }
  }

  /** Nothing is on its way and nothing is missing. */
  get settled(): boolean {
    return this.flights_.length === 0 && (!this.store.source.live || this.wanted().length === 0);
  }
}
