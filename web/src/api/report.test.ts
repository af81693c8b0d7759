import { describe, expect, it } from 'vitest';
import { sliceTile, tinyRun } from '../model/testing';
import { embeddedReport, ReportSource } from './report';
import type { ReportJson, RequestDetail } from './types';

const kHostile = '<img src=x onerror=alert(1)>';
const report: ReportJson = {
  run: tinyRun(),
  findings: { findings: [], unknown: [], tried: 3 },
  requests: {
    '7': { id: 7, machine: 1, direction: 'read', sector: 8, host: [{ row: 70, from: 1 }] } as unknown as RequestDetail,
  },
  from: 0,
  until: 10,
  tiles: [
    {
      level: 0,
      index: 0,
      tiles: [
        sliceTile(3, [
          [0, 10, kHostile],
          [20, 30, 'fio'],
          [40, 50, kHostile],
        ]),
      ],
    },
    { level: 1, index: 0, tiles: [sliceTile(3, [[0, 10, kHostile]])] },
  ],
};
const source = new ReportSource(report);

describe('a report', () => {
  it('is read from the page as data', () => {
    const page = (text: string | null) => ({
      getElementById: (id: string) => (id === 'ivtrace-report' && text !== null ? { textContent: text } : null),
    });
    expect(embeddedReport(page(JSON.stringify(report)))).toEqual(report);
    expect(embeddedReport(page(null))).toBeNull();
  });
  it('has what was put into it', async () => {
    expect((await source.request(7)).id).toBe(7);
    expect((await source.block(70)).request).toBe(7);
    expect(await source.tiles(1, 0, [3])).toHaveLength(1);
    expect(await source.tiles(1, 0, [4])).toHaveLength(0);
  });
  it('says what it has not', async () => {
    await expect(source.request(8)).rejects.toThrow('not in this report');
    await expect(source.sql()).rejects.toThrow('not in this report');
    await expect(source.range()).rejects.toThrow('not in this report');
  });
  it('is searched by what is drawn; slices of two levels count once', async () => {
    expect(await source.search('ONERROR', 10)).toEqual([
      { what: 'task', text: `${kHostile} 7`, track: 3, machine: 1, count: 2, first: 0, last: 40 },
    ]);
    expect((await source.search('qemu', 10)).map((hit) => hit.what)).toEqual(['track']);
    expect(await source.search('v', 2)).toHaveLength(2);
  });
  it('steps from slice to slice', async () => {
    const query = { track: 3, label: kHostile, tid: 7 };
    expect(await source.next({ ...query, from: 10, direction: 1 })).toEqual({ from: 40, until: 50 });
    expect(await source.next({ ...query, from: 40, direction: -1 })).toEqual({ from: 0, until: 10 });
    expect(await source.next({ ...query, from: 50, direction: 1 })).toEqual({});
    expect(await source.next({ ...query, tid: 8, from: 0, direction: 1 })).toEqual({});
  });
});
