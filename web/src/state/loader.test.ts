import { describe, expect, it } from 'vitest';
import type { TileJson } from '../api/types';
import { sliceTile, tilesOnly, tinyRun, track } from '../model/testing';
import { kAtOnce, Loader } from './loader';
import { Store } from './store';

interface Asked {
  level: number;
  index: number;
  tracks: number[];
  signal: AbortSignal;
  answer: (tiles: TileJson[]) => void;
}

function setUp(run = tinyRun()) {
  const asked: Asked[] = [];
  const source = tilesOnly(
    (level, index, tracks, signal) =>
      new Promise((resolve, reject) => {
        asked.push({ level, index, tracks, signal: signal!, answer: resolve });
        signal!.addEventListener('abort', () => reject(new DOMException('gone', 'AbortError')));
      }),
  );
  const store = new Store(source);
  store.run.value = run;
  store.size.value = { width: 1000, height: 5000 };
  store.target.value = store.view.value = { from: 0, until: 1e9 };
  let now = 0;
  const loader = new Loader(store, () => now);
  return { asked, store, loader, pass: (ms: number) => (now += ms) };
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

describe('the loader', () => {
  it('asks for all rows in sight at once, few tiles at a time, the middle first', () => {
    const { asked, loader } = setUp();
    loader.update();
    expect(asked).toHaveLength(kAtOnce);
    expect(asked[0].tracks).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect([1, 2]).toContain(asked[0].index);
    loader.update();
    expect(asked).toHaveLength(kAtOnce);
  });
  it('does not ask for rows that are out of sight, nor for those that cannot be drawn', () => {
    const { asked, loader, store } = setUp(
      tinyRun([
        track(0, 0, 'cpu', 0, 'a'),
        track(1, 1, 'vcpu', 0, 'b', { aligned: false }),
        track(2, 2, 'vcpu', 0, 'c'),
      ]),
    );
    store.choices.value = { ...store.choices.value, folded: new Map([['vm2', true]]) };
    loader.update();
    expect(asked[0].tracks).toEqual([0]);
  });
  it('gives up what is no longer wanted', () => {
    const { asked, loader, store } = setUp();
    loader.update();
    store.target.value = { from: 1e6, until: 2e6 };
    loader.update();
    // The strip of the whole run is always wanted.
    expect(asked.slice(0, kAtOnce).filter((one) => one.signal.aborted).length).toBeGreaterThan(0);
    expect(asked.slice(kAtOnce).every((one) => one.level > asked[0].level)).toBe(true);
  });
  it('keeps what came, and settles', async () => {
    const { asked, loader, store } = setUp();
    loader.update();
    for (let i = 0; i < asked.length; i++) {
      asked[i].answer(asked[i].tracks.map((id) => sliceTile(id, [])));
      await settle();
    }
    expect(loader.settled).toBe(true);
    expect(store.tiles.value).toBe(asked.length);
    const before = asked.length;
    loader.update();
    expect(asked).toHaveLength(before);
  });
  it('asks again for a tile that may grow, after a while', async () => {
    const { asked, loader, pass } = setUp();
    loader.update();
    const first = asked[0];
    first.answer(first.tracks.map((id) => sliceTile(id, [], 'task', { complete: false })));
    await settle();
    const again = (): number => asked.filter((one) => one.index === first.index && one.level === first.level).length;
    expect(again()).toBe(1);
    for (const one of asked.slice(1)) one.answer(one.tracks.map((id) => sliceTile(id, [])));
    await settle();
    pass(10_000);
    loader.update();
    expect(again()).toBe(2);
  });
  it('asks a report for nothing', () => {
    const { asked, store } = setUp();
    const loader = new Loader(new Store({ ...store.source, live: false }));
    loader.update();
    expect(asked).toEqual([]);
  });
});
