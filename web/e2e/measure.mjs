// node e2e/measure.mjs ADDRESS
//
// How fast the page is, as JSON: the first picture, frames while somebody zooms and pans, what went over the wire.

import { launch, open, settled, kPatience } from './browser.mjs';

const [address] = process.argv.slice(2);
if (!address) throw new Error('usage: measure.mjs ADDRESS');

/** Time between frames while `act` goes on, told by the browser. */
async function frames(page, act) {
  await page.evaluate(() => {
    const list = (globalThis.frameTimes = []);
    let last = performance.now();
    const note = (now) => {
      list.push(now - last);
      last = now;
      if (globalThis.frameTimes === list) requestAnimationFrame(note);
    };
    requestAnimationFrame(note);
  });
  await act();
  const list = await page.evaluate(() => {
    const all = globalThis.frameTimes;
    globalThis.frameTimes = null;
    return all.slice(1);
  });
  list.sort((a, b) => a - b);
  const at = (part) => Math.round((list[Math.min(list.length - 1, Math.floor(list.length * part))] ?? 0) * 10) / 10;
  return { frames: list.length, median_ms: at(0.5), p95_ms: at(0.95), longest_ms: at(1) };
}

const browser = await launch();
const { page, traffic, complaints } = await open(browser, address, { reducedMotion: 'no-preference' });
await page.waitForFunction(() => document.documentElement.dataset.firstPicture !== undefined, null, {
  timeout: kPatience,
});
const first = {
  first_picture_ms: Math.round(await page.evaluate(() => Number(document.documentElement.dataset.firstPicture))),
  requests: traffic.requests,
  bytes: traffic.bytes,
};
await page.waitForFunction(() => document.documentElement.dataset.ready === 'all', null, { timeout: 30 * kPatience });
const all_ms = Math.round(await page.evaluate(() => performance.now()));

const rows = await page.locator('#rows').boundingBox();
await page.mouse.move(rows.x + rows.width * 0.4, rows.y + rows.height / 2);
const wheel = async (times, x, y, modifier) => {
  await page.keyboard.down(modifier);
  for (let i = 0; i < times; i++) await page.mouse.wheel(x, y);
  await page.keyboard.up(modifier);
};
await page.focus('#rows');
const zooming = await frames(page, async () => {
  await wheel(40, 0, -60, 'Control');
  await wheel(25, 0, 60, 'Control');
});
await settled(page);
const panning = await frames(page, async () => {
  await wheel(40, 0, 60, 'Shift');
  await wheel(40, 0, -60, 'Shift');
});
await settled(page);
const scrolling = await frames(page, async () => {
  for (let i = 0; i < 40; i++) await page.mouse.wheel(0, i < 20 ? 60 : -60);
});
await settled(page);
const memory = await page.evaluate(() => performance.memory?.usedJSHeapSize ?? 0);
console.log(
  JSON.stringify(
    {
      ...first,
      all_ms,
      zooming,
      panning,
      scrolling,
      total_requests: traffic.requests,
      total_bytes: traffic.bytes,
      heap_bytes: memory,
      complaints,
    },
    null,
    2,
  ),
);
await browser.close();
