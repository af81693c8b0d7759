import { afterEach, expect, it, vi } from 'vitest';
import { HttpSource } from './http';
import { ApiError } from './source';

const answer = (status: number, body: string): Response => new Response(body, { status });
const source = new HttpSource();

afterEach(() => vi.unstubAllGlobals());

it('asks by relative paths, so that the token before them stays', async () => {
  const fetch = vi.fn(async () => answer(200, '{"tiles":[]}'));
  vi.stubGlobal('fetch', fetch);
  await source.tiles(3, 1, [5, 6, 9]);
  expect(fetch).toHaveBeenCalledWith(
    'tiles?level=3&index=1&tracks=5-6%2C9',
    expect.objectContaining({ cache: 'no-store' }),
  );
});

it('says who must not know whom: SQL is sent as JSON', async () => {
  const fetch = vi.fn(async (_path: string, _init: RequestInit) =>
    answer(200, '{"columns":[],"rows":[],"more":false,"notices":[]}'),
  );
  vi.stubGlobal('fetch', fetch);
  await source.sql('SELECT 1', 10);
  const init = fetch.mock.calls[0][1];
  expect(init.method).toBe('POST');
  expect(init.headers).toEqual({ 'Content-Type': 'application/json' });
  expect(JSON.parse(String(init.body))).toEqual({ sql: 'SELECT 1', limit: 10 });
});

it('tells an error in the program’s words', async () => {
  vi.stubGlobal('fetch', async () =>
    answer(400, '{"error":"near \\"SELEC\\": syntax error","hint":"see the tables","offset":3}'),
  );
  const error = (await source.sql('x', 1).catch((e: unknown) => e)) as ApiError;
  expect(error).toBeInstanceOf(ApiError);
  expect([error.message, error.hint, error.offset, error.early]).toEqual([
    'near "SELEC": syntax error',
    'see the tables',
    3,
    false,
  ]);
});

it('tells an error that is no JSON, and a program that has gone', async () => {
  vi.stubGlobal('fetch', async () => answer(500, '<html>'));
  await expect(source.run()).rejects.toThrow('the program answered 500');
  vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('Failed to fetch')));
  await expect(source.run()).rejects.toThrow('does not answer');
});

it('leaves out what was not asked for', async () => {
  const fetch = vi.fn(async () => answer(200, '{}'));
  vi.stubGlobal('fetch', fetch);
  await source.next({ track: 1, label: 'a&b=c', tid: -1, from: 5.4, direction: -1 });
  expect(fetch).toHaveBeenCalledWith('next?track=1&label=a%26b%3Dc&direction=-1&from=5', expect.anything());
});
