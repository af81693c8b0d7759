// All that the page knows and shows, as signals. Components read them; state/actions changes them.

import { computed, signal } from '@preact/signals';
import type { BlockDetail, Findings, RangeTable, RawEvent, RequestDetail, Run, Track } from '../api/types';
import type { Source } from '../api/source';
import { wholeRun, type Stretch } from '../model/axis';
import { layOut, noChoices, trackKey, type Choices, type Layout } from '../model/layout';
import { emptyOverview, type Overview } from '../model/overview';
import { TileCache } from '../model/tile_cache';
import type { BinHit } from '../model/hit';
import type { SlicePlace, Tab } from '../model/url';
import type { LegendEntry } from '../draw/legend';
import type { Role, Spot } from '../draw/scene';
import { themes, type Theme } from '../draw/theme';

/** Something that is being asked for, or its answer, or why there is none. */
export type Answer<T> =
  | { is: 'none' }
  | { is: 'waiting' }
  | { is: 'there'; value: T }
  | { is: 'failed'; error: string; hint: string; offset: number };

export const none = { is: 'none' } as const;
export const waiting = { is: 'waiting' } as const;

export interface Hover {
  /** On the canvas. */
  x: number;
  y: number;
  time: number;
  track: Track;
  spot: Spot | null;
  bin: BinHit | null;
  hole: boolean;
}

export type ThemeChoice = 'system' | 'light' | 'dark';

/** Tiles of some 40 rows at every level that a person passes on the way through a run. */
const kCacheBytes = 96 << 20;

export class Store {
  readonly run = signal<Run | null>(null);
  /** The run could not be opened, or not be read to its end. */
  readonly trouble = signal('');
  /** The program no longer answers. */
  readonly silent = signal('');
  readonly findings = signal<Answer<Findings>>(none);

  readonly view = signal<Stretch>({ from: 0, until: 1e9 });
  /** Where view is going; the same when it stands still. */
  readonly target = signal<Stretch>({ from: 0, until: 1e9 });
  /** Of the canvas. */
  readonly size = signal({ width: 1000, height: 600 });
  readonly scroll = signal(0);
  readonly choices = signal<Choices>(noChoices());

  readonly selected = signal<Spot | null>(null);
  readonly detail = signal<Answer<{ request?: RequestDetail; block?: BlockDetail }>>(none);
  readonly events = signal<Answer<{ events: RawEvent[]; more: boolean }>>(none);
  readonly range = signal<Stretch | null>(null);
  readonly rangeTables = signal<Answer<RangeTable[]>>(none);
  /** The finding whose place is marked; -1: none. */
  readonly finding = signal(-1);
  readonly current = signal(-1);
  readonly hover = signal<Hover | null>(null);
  readonly tab = signal<Tab>('findings');
  readonly panelOpen = signal(true);
  readonly keysOpen = signal(false);
  /** Told to screen readers. */
  readonly said = signal('');

  readonly themeChoice = signal<ThemeChoice>('system');
  readonly systemDark = signal(false);
  readonly printing = signal(false);
  readonly theme = computed<Theme>(() => {
    if (this.printing.value) return themes.light;
    const choice = this.themeChoice.value;
    return themes[choice === 'system' ? (this.systemDark.value ? 'dark' : 'light') : choice];
  });

  readonly cache = new TileCache(kCacheBytes);
  /** Counts up when a tile comes. */
  readonly tiles = signal(0);
  readonly overview = signal<Overview>(emptyOverview());
  /** What the colours in sight mean. */
  readonly legend = signal<LegendEntry[]>([]);
  /** Requests for tiles that are on their way. */
  readonly loading = signal(0);

  readonly layout = computed<Layout>(() => {
    const run = this.run.value;
    return run ? layOut(run, this.choices.value) : { pinned: [], pinnedHeight: 0, items: [], height: 0, hidden: 0 };
  });

  /** By their numbers; in the run they stand in the order of rows. */
  readonly tracks = computed<Map<number, Track>>(
    () => new Map(this.run.value?.tracks.map((track) => [track.id, track] as const) ?? []),
  );

  readonly keys = computed<Map<string, Track>>(() => {
    const run = this.run.value;
    return new Map(run?.tracks.map((track) => [trackKey(run.machines[track.machine], track), track] as const) ?? []);
  });

  readonly roles = computed<ReadonlyMap<number, Role>>(() => {
    const answer = this.findings.value;
    const finding = answer.is === 'there' ? answer.value.findings[this.finding.value] : undefined;
    const roles = new Map<number, Role>();
    finding?.culprit_tracks.forEach((track) => roles.set(track, 'culprit'));
    finding?.victim_tracks.forEach((track) => roles.set(track, 'victim'));
    return roles;
  });

  /** A slice that a URL named, until it has been found. */
  wantedSlice: SlicePlace | null = null;

  constructor(
    readonly source: Source,
    /** Stands still, and nothing glides. */
    readonly reducedMotion: () => boolean = () => false,
  ) {}

  get duration(): number {
    return this.run.peek()?.duration_ns ?? 0;
  }

  track(id: number): Track | undefined {
    return this.tracks.value.get(id);
  }

  keyOf(id: number): string {
    const run = this.run.peek();
    const track = this.track(id);
    return run && track ? trackKey(run.machines[track.machine], track) : '';
  }

  machineName(index: number): string {
    return this.run.peek()?.machines[index]?.name ?? '';
  }

  whole(): Stretch {
    return wholeRun(this.duration);
  }
}
