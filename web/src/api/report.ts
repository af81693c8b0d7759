// A report: the run's part that was put into the page. Nothing is asked of anybody.

import { ApiError, type NextQuery, type Source } from './source';
import type { BlockDetail, Findings, ReportJson, RequestDetail, Run, SearchHit, TileJson } from './types';

export function embeddedReport(document: {
  getElementById(id: string): { textContent: string | null } | null;
}): ReportJson | null {
  const text = document.getElementById('ivtrace-report')?.textContent;
  return text ? (JSON.parse(text) as ReportJson) : null;
}

const absent = (what: string): Promise<never> =>
  Promise.reject(new ApiError(`${what} not in this report`, 404, 'ivtrace view RUN shows the whole run'));

export class ReportSource implements Source {
  readonly live = false;

  constructor(private readonly report: ReportJson) {}

  run(): Promise<Run> {
    return Promise.resolve(this.report.run);
  }

  findings(): Promise<Findings> {
    return Promise.resolve(this.report.findings);
  }

  tiles(level: number, index: number, tracks: number[]): Promise<TileJson[]> {
    const all = this.report.tiles
      .filter((tile) => tile.level === level && tile.index === index)
      .flatMap((tile) => tile.tiles);
    return Promise.resolve(all.filter((tile) => tracks.includes(tile.track)));
  }

  request(id: number): Promise<RequestDetail> {
    const detail = this.report.requests[id];
    return detail ? Promise.resolve(detail) : absent('the details of this request are');
  }

  /** As far as the guest's request that it served tells it. */
  block(row: number): Promise<BlockDetail> {
    for (const request of Object.values(this.report.requests)) {
      const host = request.host.find((one) => one.row === row);
      if (host) {
        const { machine, direction, sector, id } = request;
        return Promise.resolve({ ...host, machine, direction, sector, request: id });
      }
    }
    return absent('the details of this request are');
  }

  events(): Promise<never> {
    return absent('raw events are');
  }

  range(): Promise<never> {
    return absent('the tables of a range are');
  }

  /** Over what is drawn: the names of tracks, and of the slices in the report's tiles. */
  search(text: string, limit: number): Promise<SearchHit[]> {
    const wanted = text.toLowerCase();
    const hits = new Map<string, SearchHit>();
    const { tracks, machines } = this.report.run;
    const machineOf = new Map(tracks.map((track) => [track.id, track.machine]));
    for (const track of tracks) {
      const name = `${machines[track.machine]?.name ?? ''} ${track.name}`;
      if (name.toLowerCase().includes(wanted)) {
        hits.set(`track ${track.id}`, {
          what: 'track',
          text: track.name,
          track: track.id,
          machine: track.machine,
          count: 0,
          first: 0,
          last: 0,
        });
      }
    }
    const seen = new Set<string>();
    for (const tile of this.report.tiles.flatMap((one) => one.tiles)) {
      tile.slices?.from.forEach((from, i) => {
        const category = tile.categories[tile.slices!.category[i]];
        if (!category.label.toLowerCase().includes(wanted)) return;
        const slice = `${tile.track}/${from}/${tile.slices!.until[i]}/${category.label}/${tile.slices!.lane?.[i] ?? 0}`;
        if (seen.has(slice)) return;
        seen.add(slice);
        const key = `${tile.track}/${category.label}/${category.tid}`;
        const who = category.tid > 0 ? `${category.label} ${category.tid}` : category.label;
        const hit = hits.get(key) ?? {
          what: 'task',
          text: who,
          track: tile.track,
          machine: machineOf.get(tile.track) ?? 0,
          count: 0,
          first: from,
          last: from,
        };
        hits.set(key, {
          ...hit,
          count: hit.count + 1,
          first: Math.min(hit.first, from),
          last: Math.max(hit.last, from),
        });
      });
    }
    return Promise.resolve([...hits.values()].slice(0, limit));
  }

  next(query: NextQuery): Promise<{ from?: number; until?: number }> {
    let best: { from: number; until: number } | undefined;
    for (const tile of this.report.tiles.flatMap((one) => one.tiles)) {
      if (tile.track !== query.track || !tile.slices) continue;
      tile.slices.from.forEach((from, i) => {
        const category = tile.categories[tile.slices!.category[i]];
        if (category.label !== query.label || (query.tid >= 0 && category.tid !== query.tid)) return;
        const until = tile.slices!.until[i];
        const later = query.direction > 0;
        if (later ? from < query.from : until > query.from) return;
        if (!best || (later ? from < best.from : from > best.from)) best = { from, until };
      });
    }
    return Promise.resolve(best ?? {});
  }

  sql(): Promise<never> {
    return absent('tables to ask are');
  }

  tables(): Promise<never> {
    return absent('tables to ask are');
  }
}
