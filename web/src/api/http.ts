// The program that serves the page. Paths are relative: the page lies below the token.

import { ApiError, type EventQuery, type NextQuery, type Source } from './source';
import { ranges } from './ranges';
import type {
  BlockDetail,
  Findings,
  RangeTable,
  RawEvent,
  RequestDetail,
  Run,
  SearchHit,
  SqlAnswer,
  SqlTable,
  TileJson,
} from './types';

type Query = Record<string, string | number | undefined>;

function path(name: string, query: Query): string {
  const parts = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`);
  return parts.length ? `${name}?${parts.join('&')}` : name;
}

async function refusal(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as { error?: string; hint?: string; offset?: number };
    return new ApiError(body.error ?? response.statusText, response.status, body.hint ?? '', body.offset ?? -1);
  } catch {
    return new ApiError(`the program answered ${response.status}`, response.status);
  }
}

export class HttpSource implements Source {
  readonly live = true;

  private async ask<T>(name: string, query: Query, signal?: AbortSignal, body?: unknown): Promise<T> {
    const init: RequestInit = { signal: signal ?? null, cache: 'no-store' };
    if (body !== undefined) {
      init.method = 'POST';
      init.headers = { 'Content-Type': 'application/json' };
      init.body = JSON.stringify(body);
    }
    let response: Response;
    try {
      response = await fetch(path(name, query), init);
    } catch (error) {
      if (error instanceof TypeError) {
        throw new ApiError('the program does not answer', 0, 'is ivtrace view still running?');
      }
      throw error;
    }
    if (!response.ok) throw await refusal(response);
    return (await response.json()) as T;
  }

  run(signal?: AbortSignal): Promise<Run> {
    return this.ask('run', {}, signal);
  }

  findings(signal?: AbortSignal): Promise<Findings> {
    return this.ask('findings', {}, signal);
  }

  async tiles(level: number, index: number, tracks: number[], signal?: AbortSignal): Promise<TileJson[]> {
    const answer = await this.ask<{ tiles: TileJson[] }>('tiles', { level, index, tracks: ranges(tracks) }, signal);
    return answer.tiles;
  }

  request(id: number, signal?: AbortSignal): Promise<RequestDetail> {
    return this.ask('request', { id }, signal);
  }

  block(row: number, signal?: AbortSignal): Promise<BlockDetail> {
    return this.ask('block', { row }, signal);
  }

  events(query: EventQuery, signal?: AbortSignal): Promise<{ events: RawEvent[]; more: boolean }> {
    const { from, until, ...rest } = query;
    return this.ask('events', { from: Math.floor(from), until: Math.ceil(until), ...rest }, signal);
  }

  range(from: number, until: number, signal?: AbortSignal): Promise<{ tables: RangeTable[] }> {
    return this.ask('range', { from: Math.floor(from), until: Math.ceil(until) }, signal);
  }

  async search(text: string, limit: number, signal?: AbortSignal): Promise<SearchHit[]> {
    return (await this.ask<{ hits: SearchHit[] }>('search', { q: text, limit }, signal)).hits;
  }

  next(query: NextQuery, signal?: AbortSignal): Promise<{ from?: number; until?: number }> {
    const { tid, from, ...rest } = query;
    return this.ask('next', { ...rest, from: Math.round(from), tid: tid >= 0 ? tid : undefined }, signal);
  }

  sql(query: string, limit: number, signal?: AbortSignal): Promise<SqlAnswer> {
    return this.ask('sql', {}, signal, { sql: query, limit });
  }

  async tables(signal?: AbortSignal): Promise<SqlTable[]> {
    return (await this.ask<{ tables: SqlTable[] }>('tables', {}, signal)).tables;
  }
}
