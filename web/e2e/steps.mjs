// What several scenarios do.

import { readFile } from 'node:fs/promises';
import { inflateSync } from 'node:zlib';
import { expect, until, view } from './browser.mjs';

export const near = (a, b, part = 0.02) => Math.abs(a - b) <= Math.abs(b) * part + 1;
export const length = (stretch) => stretch.until - stretch.from;
export const hashHas = (page, text) =>
  until(
    () => page.evaluate(() => location.hash),
    (hash) => hash.includes(text),
    `the hash never had ${text}`,
  );
export const heads = (page) => page.$$eval('[data-track]', (list) => list.map((one) => one.dataset.track));

export async function asks(page, sql) {
  return page.evaluate(async (query) => {
    const answer = await fetch('sql', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ sql: query, limit: 10 }),
    });
    return answer.json();
  }, sql);
}

/** A guest's request that is tied to one of the host's, and its track's key. */
export async function aRequest(page) {
  const { rows } = await asks(
    page,
    "SELECT id, machine, from_ns, until_ns FROM io_request WHERE tie = 'address' ORDER BY until_ns - from_ns DESC LIMIT 1",
  );
  expect(rows?.length, 'the run has no tied request');
  const [id, machine, from, end] = rows[0];
  const detail = await page.evaluate(async (number) => (await fetch(`request?id=${number}`)).json(), id);
  const run = await page.evaluate(async () => (await fetch('run')).json());
  const trackOf = (id) => run.tracks.find((one) => one.id === id);
  const track = trackOf(detail.track);
  const pins = [`host/disk/${trackOf(detail.host[0].track).number}`, `${machine}/disk/${track.number}`];
  return { id, from, until: end, detail, pins, key: pins[1] };
}

/** Clicks on a track's row at a time, from the bottom to the top, until the request lies under the pointer. */
export async function clickRequest(page, key, time, id) {
  const { from, until: end } = await view(page);
  const head = await page.locator(`[data-track="${key}"]`).boundingBox();
  const rows = await page.locator('#rows').boundingBox();
  const x = rows.x + ((time - from) / (end - from)) * rows.width;
  const marks = () => page.evaluate(() => ({ ...document.documentElement.dataset }));
  for (let y = head.y + head.height - 4; y > head.y + 2; y -= 2) {
    const before = await marks();
    await page.mouse.click(x, y);
    const after = await until(marks, (now) => now.frames !== before.frames, 'the click draws nothing');
    if (after.selected === String(id)) return;
  }
  throw new Error(`no place of the row ${key} selects request ${id}`);
}

/** How many different colours a PNG's pixels have, at most `most`: a blank one has one. */
export function coloursOf(png, most = 50) {
  const parts = [];
  let [width, depth] = [0, 0];
  for (let at = 8; at < png.length; ) {
    const size = png.readUInt32BE(at);
    const kind = png.toString('latin1', at + 4, at + 8);
    if (kind === 'IHDR') [width, depth] = [png.readUInt32BE(at + 8), png[at + 17] === 6 ? 4 : 3];
    if (kind === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + size));
    at += size + 12;
  }
  // Filtered lines differ where pixels differ: enough to tell a picture from a blank one.
  const bytes = inflateSync(Buffer.concat(parts));
  const seen = new Set();
  for (let at = 0; at < bytes.length && seen.size < most; at += depth)
    seen.add(bytes.readUIntBE(at, Math.min(depth, bytes.length - at)));
  return { colours: seen.size, width };
}

export async function download(page, button) {
  await page.click('#picture');
  const waits = page.waitForEvent('download');
  await page.click(button);
  const file = await waits;
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}
