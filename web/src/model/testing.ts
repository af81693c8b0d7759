// A tiny run for the tests: a host and two guests, and a source that answers from a function.

import { ApiError, type Source } from '../api/source';
import type { Run, TileJson, Track, TrackKind } from '../api/types';

export const kBase = 2 ** 30;

export function track(
  id: number,
  machine: number,
  kind: TrackKind,
  number: number,
  name: string,
  more: Partial<Track> = {},
): Track {
  return { id, machine, kind, number, name, lanes: 1, aligned: true, vcpu: null, ...more };
}

export function tinyRun(tracks?: Track[]): Run {
  const machine = (name: string, kind: string) => ({ name, kind, kernel: '', accel: '', aligned: true, note: '' });
  return {
    name: 'tiny.ivt',
    start: '2026-01-01T00:00:00Z',
    duration_ns: 1e9,
    base_span_ns: kBase,
    bins: 256,
    version: '1',
    command: [],
    damaged: false,
    progress: { switches: 1, rows: 1, done: true, failure: '' },
    findings_ready: true,
    notices: [],
    machines: [machine('host', 'host'), machine('vm1', 'guest'), machine('vm2', 'guest')],
    tracks: tracks ?? [
      // Numbers are given as tracks are found, and so are not their places.
      track(1, 0, 'disk', 8 << 20, 'sda 8:0', { lanes: 4 }),
      track(0, 0, 'cpu', 0, 'CPU 0'),
      track(2, 1, 'vcpu', 0, 'vCPU 0'),
      track(3, 1, 'task', 0, 'CPU 0', { vcpu: 0 }),
      track(4, 1, 'disk', 254 << 20, 'vda 254:0', { lanes: 2 }),
      track(5, 2, 'vcpu', 0, 'vCPU 0'),
      track(6, 2, 'thread', 77, 'qemu-main 77'),
    ],
    phases: ['guest_queue', 'to_qemu', 'device'],
  };
}

/** Slices as [from, until, label], all of one state. */
export function sliceTile(
  track: number,
  slices: [number, number, string][],
  state = 'task',
  more: Partial<TileJson> = {},
): TileJson {
  const labels = [...new Set(slices.map((slice) => slice[2]))];
  return {
    track,
    complete: true,
    categories: labels.map((label) => ({ state, machine: 1, label, tid: 7 })),
    slices: {
      from: slices.map((slice) => slice[0]),
      until: slices.map((slice) => slice[1]),
      category: slices.map((slice) => labels.indexOf(slice[2])),
      open: [],
    },
    holes: [],
    ...more,
  };
}

/** Shares as [bin, state, share]. */
export function shareTile(track: number, shares: [number, string, number][], more: Partial<TileJson> = {}): TileJson {
  const states = [...new Set(shares.map((share) => share[1]))];
  return {
    track,
    complete: true,
    categories: states.map((state) => ({ state, machine: 1, label: '', tid: -1 })),
    shares: {
      bin: shares.map((share) => share[0]),
      category: shares.map((share) => states.indexOf(share[1])),
      share: shares.map((share) => share[2]),
    },
    holes: [],
    ...more,
  };
}

const refuse = (): Promise<never> => Promise.reject(new ApiError('not here', 404));

/** A source that has tiles only. */
export function tilesOnly(tiles: Source['tiles'], more: Partial<Source> = {}): Source {
  return {
    live: true,
    run: () => Promise.resolve(tinyRun()),
    tiles,
    findings: refuse,
    request: refuse,
    block: refuse,
    events: refuse,
    range: refuse,
    search: refuse,
    next: refuse,
    sql: refuse,
    tables: refuse,
    ...more,
  };
}
