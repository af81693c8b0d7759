// Where the page has its data from: the program that serves it, or the report that it lies in.

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

/** A request that was refused, in words for people. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly hint = '',
    /** SQL: the byte of the query at which it is wrong; -1: not known. */
    readonly offset = -1,
  ) {
    super(message);
  }

  /** Not yet: the run is still being read. */
  get early(): boolean {
    return this.status === 409;
  }
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

export interface EventQuery {
  from: number;
  until: number;
  machine?: string;
  cpu?: number;
  limit?: number;
}

export interface NextQuery {
  track: number;
  label: string;
  tid: number;
  from: number;
  direction: 1 | -1;
}

/** Every function may be given up by its signal, and then rejects with an AbortError; else with an ApiError. */
export interface Source {
  /** False: a report. Nothing can be asked but what was put into it. */
  readonly live: boolean;
  run(signal?: AbortSignal): Promise<Run>;
  findings(signal?: AbortSignal): Promise<Findings>;
  tiles(level: number, index: number, tracks: number[], signal?: AbortSignal): Promise<TileJson[]>;
  request(id: number, signal?: AbortSignal): Promise<RequestDetail>;
  block(row: number, signal?: AbortSignal): Promise<BlockDetail>;
  events(query: EventQuery, signal?: AbortSignal): Promise<{ events: RawEvent[]; more: boolean }>;
  range(from: number, until: number, signal?: AbortSignal): Promise<{ tables: RangeTable[] }>;
  search(text: string, limit: number, signal?: AbortSignal): Promise<SearchHit[]>;
  next(query: NextQuery, signal?: AbortSignal): Promise<{ from?: number; until?: number }>;
  sql(query: string, limit: number, signal?: AbortSignal): Promise<SqlAnswer>;
  tables(signal?: AbortSignal): Promise<SqlTable[]>;
}
