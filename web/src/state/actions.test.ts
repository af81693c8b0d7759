import { describe, expect, it, vi } from 'vitest';
import { ApiError, type Source } from '../api/source';
import type { Finding, RequestDetail } from '../api/types';
import { makeTile } from '../model/tile';
import { kBase, sliceTile, tilesOnly, tinyRun } from '../model/testing';
import * as actions from './actions';
import { apply, urlState } from './history';
import { fromHash, toHash } from '../model/url';
import { Store } from './store';

const finding = (from: number, until: number, victims: number[], culprits: number[]): Finding => ({
  pattern: 'p',
  title: `at ${from}`,
  severity: 'critical',
  victim: 'vm1',
  culprit: 'vm2',
  share: 0.5,
  from,
  until,
  confidence: 1,
  impact_ns: 1,
  text: '',
  advice: '',
  numbers: [],
  evidence: [],
  victim_tracks: victims,
  culprit_tracks: culprits,
});

function setUp(more: Partial<Source> = {}): Store {
  const store = new Store(
    tilesOnly(async (_level, _index, tracks) => tracks.map((id) => sliceTile(id, [])), more),
    () => true,
  );
  store.run.value = tinyRun();
  store.size.value = { width: 1000, height: 120 };
  store.findings.value = {
    is: 'there',
    value: { findings: [finding(1e8, 2e8, [4], [1]), finding(5e8, 6e8, [5], [])], unknown: [], tried: 2 },
  };
  actions.go(store, store.whole());
  return store;
}

const spot = (track: number, row = 0) => {
  const json = sliceTile(track, [[1e8, 2e8, 'fio']]);
  json.slices!.row = [row];
  return { track, slice: makeTile(json, 0, 0, kBase, 256).slices[0] };
};
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

describe('findings', () => {
  it('show their place with a margin and mark both sides, one after the other', () => {
    const store = setUp();
    actions.stepFinding(store, 1);
    expect(store.view.value).toEqual({ from: 0.75e8, until: 2.25e8 });
    expect([...store.roles.value]).toEqual([
      [1, 'culprit'],
      [4, 'victim'],
    ]);
    actions.stepFinding(store, 1);
    expect(store.finding.value).toBe(1);
    actions.stepFinding(store, 1);
    expect(store.finding.value).toBe(0);
    actions.stepFinding(store, -1);
    expect(store.finding.value).toBe(1);
  });
  it('bring the victim’s row onto the screen, out of a fold too', () => {
    const store = setUp();
    store.choices.value = { ...store.choices.value, folded: new Map([['vm1', true]]) };
    actions.showFinding(store, 0);
    const item = store.layout.value.items.find((one) => one.key === 'vm1/disk/266338304')!;
    expect(item.y).toBeGreaterThanOrEqual(store.scroll.value);
    expect(item.y + item.height).toBeLessThanOrEqual(store.scroll.value + 120);
  });
});

describe('selecting', () => {
  it('a guest’s request asks for what became of it', async () => {
    const request = vi.fn(async () => ({ id: 7 }) as RequestDetail);
    const store = setUp({ request });
    actions.select(store, spot(4, 7));
    expect(store.detail.value.is).toBe('waiting');
    await settle();
    expect(request).toHaveBeenCalledWith(7, expect.any(AbortSignal));
    expect(store.detail.value).toEqual({ is: 'there', value: { request: { id: 7 } } });
    expect(store.tab.value).toBe('selection');
    expect(store.said.value).toContain('vm1 vda');
  });
  it('another one gives up the first', () => {
    let signal: AbortSignal | undefined;
    const store = setUp({ request: (_id, given) => new Promise(() => (signal = given)) });
    actions.select(store, spot(4, 7));
    actions.select(store, spot(2));
    expect(signal?.aborted).toBe(true);
  });
  it('tells why there is no answer', async () => {
    const store = setUp({ request: () => Promise.reject(new ApiError('still reading', 409, 'wait')) });
    actions.select(store, spot(4, 7));
    await settle();
    expect(store.detail.value).toMatchObject({ is: 'failed', error: 'still reading', hint: 'wait' });
  });
  it('asks for events of the slice’s own CPU', async () => {
    const events = vi.fn(async () => ({ events: [], more: false }));
    const store = setUp({ events });
    actions.select(store, spot(3));
    await settle();
    expect(events).toHaveBeenCalledWith(
      expect.objectContaining({ machine: 'vm1', cpu: 0, from: 99_980_000 }),
      expect.any(AbortSignal),
    );
  });
  it('steps to the next of the same task, and moves the view there', async () => {
    const store = setUp({ next: async () => ({ from: 8e8, until: 9e8 }) });
    actions.select(store, spot(3));
    actions.go(store, { from: 1e8, until: 2e8 });
    await actions.step(store, 1);
    expect(store.view.value.from).toBeCloseTo(8e8);
  });
});

describe('Esc', () => {
  it('goes back step by step', () => {
    const store = setUp();
    actions.showFinding(store, 0);
    actions.setRange(store, { from: 1, until: 2 }, false);
    actions.select(store, spot(3));
    store.keysOpen.value = true;
    actions.escape(store);
    expect([store.keysOpen.value, store.selected.value !== null]).toEqual([false, true]);
    actions.escape(store);
    expect([store.selected.value, store.range.value !== null]).toEqual([null, true]);
    actions.escape(store);
    expect([store.range.value, store.finding.value]).toEqual([null, 0]);
    actions.escape(store);
    expect(store.finding.value).toBe(-1);
  });
});

describe('rows', () => {
  it('are walked, pinned and hidden from the keyboard', () => {
    const store = setUp();
    actions.moveRow(store, 1);
    expect(store.current.value).toBe(0);
    actions.moveRow(store, 1);
    expect(store.current.value).toBe(1);
    actions.togglePin(store, 1);
    expect(store.layout.value.pinned.map((item) => item.track.id)).toEqual([1]);
    actions.hide(store, 1);
    expect(store.layout.value.pinned).toEqual([]);
    expect(store.layout.value.hidden).toBe(1);
    expect(store.current.value).not.toBe(1);
    actions.showHidden(store);
    expect(store.layout.value.hidden).toBe(0);
  });
  it('cannot be scrolled away', () => {
    const store = setUp();
    actions.scrollTo(store, 1e9);
    expect(store.scroll.value).toBe(store.layout.value.height - 120);
    actions.scrollTo(store, -5);
    expect(store.scroll.value).toBe(0);
  });
});

describe('the URL', () => {
  it('brings a view back in a page that knows nothing yet', async () => {
    const range = vi.fn(async () => ({ tables: [] }));
    const store = setUp({ range });
    actions.go(store, { from: 1e8, until: 3e8 });
    actions.togglePin(store, 2);
    actions.hide(store, 3);
    actions.toggleFold(store, 'host', false);
    actions.setFilter(store, 'vm');
    actions.setRange(store, { from: 1.5e8, until: 2e8 }, false);
    actions.showFinding(store, 1, false);
    actions.select(store, spot(4, 7));
    const hash = toHash(urlState(store));

    const other = setUp({ range });
    apply(other, fromHash(hash));
    expect(toHash(urlState(other))).toBe(hash);
    expect(range).toHaveBeenCalledOnce();
  });
});
