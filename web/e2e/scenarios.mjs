// What a person does with the page, step by step. Each scenario gets a fresh page that has read everything.

import { readFile } from 'node:fs/promises';
import { inflateSync } from 'node:zlib';
import { expect, open, settled, until, view } from './browser.mjs';

const near = (a, b, part = 0.02) => Math.abs(a - b) <= Math.abs(b) * part + 1;
const length = (stretch) => stretch.until - stretch.from;
const hashHas = (page, text) => until(() => page.evaluate(() => location.hash), (hash) => hash.includes(text), `the hash never had ${text}`);
const heads = (page) => page.$$eval('[data-track]', (list) => list.map((one) => one.dataset.track));

async function asks(page, sql) {
  return page.evaluate(async (query) => {
    const answer = await fetch('sql', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ sql: query, limit: 10 }) });
    return answer.json();
  }, sql);
}

/** A guest's request that is tied to one of the host's, and its track's key. */
async function aRequest(page) {
  const { rows } = await asks(page, "SELECT id, machine, from_ns, until_ns FROM io_request WHERE tie = 'address' ORDER BY until_ns - from_ns DESC LIMIT 1");
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
async function clickRequest(page, key, time, id) {
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
function coloursOf(png, most = 50) {
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
  for (let at = 0; at < bytes.length && seen.size < most; at += depth) seen.add(bytes.readUIntBE(at, Math.min(depth, bytes.length - at)));
  return { colours: seen.size, width };
}

async function download(page, button) {
  await page.click('#picture');
  const waits = page.waitForEvent('download');
  await page.click(button);
  const file = await waits;
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

export const scenarios = {
  async 'rows are there, by machine, and something is drawn'({ page }) {
    const keys = await heads(page);
    expect(keys.some((key) => key.startsWith('host/cpu/')), `no CPU of the host among ${keys}`);
    expect((await page.$$('[data-group]')).length > 2, 'no groups');
    const picture = await page.locator('#rows').screenshot();
    expect(coloursOf(picture).colours > 10, 'the canvas is blank');
  },

  async 'keys zoom and pan'({ page }) {
    await page.focus('#rows');
    const whole = await view(page);
    await page.keyboard.press('w');
    await page.keyboard.press('w');
    const near2 = await until(() => view(page), (now) => length(now) < length(whole) * 0.55, 'W does not zoom in');
    await page.keyboard.press('d');
    await until(() => view(page), (now) => now.from > near2.from, 'D does not pan');
    await page.keyboard.press('ArrowLeft');
    await until(() => view(page), (now) => near(now.from, near2.from), 'the arrow does not pan back');
    await page.keyboard.press('s');
    await until(() => view(page), (now) => length(now) > length(near2) * 1.2, 'S does not zoom out');
    await page.keyboard.press('0');
    await until(() => view(page), (now) => near(length(now), length(whole)), '0 does not show the whole run');
  },

  async 'wheel zooms at the pointer with Ctrl, and pans with Shift'({ page }) {
    const rows = await page.locator('#rows').boundingBox();
    const before = await view(page);
    const at = before.from + length(before) * 0.25;
    await page.mouse.move(rows.x + rows.width * 0.25, rows.y + 60);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -200);
    await page.keyboard.up('Control');
    const after = await until(() => view(page), (now) => length(now) < length(before) * 0.8, 'no zoom');
    expect(near(after.from + length(after) * 0.25, at, 0.05), 'the time under the pointer has moved');
    await page.keyboard.down('Shift');
    await page.mouse.wheel(0, 120);
    await page.keyboard.up('Shift');
    await until(() => view(page), (now) => now.from > after.from, 'no pan');
  },

  async 'drag pans'({ page }) {
    await page.focus('#rows');
    await page.keyboard.press('w');
    await settled(page);
    const before = await view(page);
    const rows = await page.locator('#rows').boundingBox();
    await page.mouse.move(rows.x + 600, rows.y + 100);
    await page.mouse.down();
    await page.mouse.move(rows.x + 400, rows.y + 100, { steps: 5 });
    await page.mouse.up();
    await until(() => view(page), (now) => now.from > before.from, 'the view has not moved');
  },

  async 'search finds a name and goes there'({ page }) {
    const before = await view(page);
    const { rows } = await asks(page, "SELECT comm FROM sched_slice WHERE machine = 'host' AND tid > 0 AND comm IS NOT NULL GROUP BY comm ORDER BY count(*) DESC LIMIT 1");
    await page.keyboard.press('/');
    await page.keyboard.type(String(rows[0][0]).slice(0, 8));
    await page.waitForSelector('#hits [role=option]');
    const options = await page.$$eval('#hits [role=option] .what', (list) => list.map((one) => one.textContent));
    const task = options.indexOf('task');
    expect(task >= 0, `no task among ${options}`);
    for (let i = 0; i < task; i++) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await until(() => view(page), (now) => length(now) < length(before), 'the view has not moved');
    await page.waitForSelector('[data-tab=selection] .facts');
  },

  async 'a request: phases, what it waited behind, raw events, its tie'({ page, save }) {
    const request = await aRequest(page);
    const margin = (request.until - request.from) / 4;
    const from = request.from - Math.ceil(margin);
    await page.evaluate((hash) => (location.hash = hash), `view=${from}_${request.until + Math.ceil(margin)}&pinned=${request.pins}`);
    await page.waitForSelector(`[data-track="${request.key}"]`);
    await until(() => view(page), (now) => Math.abs(now.from - from) < margin, 'the hash was not followed');
    await settled(page);
    await clickRequest(page, request.key, (request.from + request.until) / 2, request.id);
    await hashHas(page, `~${request.id}`);
    await page.waitForSelector('.phases tr');
    const phases = await page.$$eval('.phases tr', (list) => list.length);
    expect(phases === request.detail.phases.length, `${phases} phases shown, ${request.detail.phases.length} told`);
    const behind = await page.$$eval('.behind tr', (list) => list.length);
    expect(behind === request.detail.waited_behind.length, `${behind} waited behind, ${request.detail.waited_behind.length} told`);
    expect((await page.$$('.events tbody tr')).length > 0, 'no raw events');
    await settled(page);
    await save('request');
    if (behind > 0) {
      await page.click('.behind button >> nth=0');
      await hashHas(page, 'sel=host/disk/');
      await page.waitForSelector('[data-tab=selection] .facts');
    }
  },

  async 'a finding: its place is shown and marked'({ page, save }) {
    const findings = await page.evaluate(async () => (await fetch('findings')).json());
    expect(findings.findings.length > 0, 'the run has no findings');
    const finding = findings.findings[0];
    await page.click('[data-finding="0"] .card-head');
    const now = await until(() => view(page), (one) => one.from <= finding.from && one.until >= finding.until, 'the view does not hold the finding');
    expect(length(now) < length(finding) * 2 || length(now) < 1e3, 'the view is far wider than the finding');
    if (finding.victim_tracks.length) await page.waitForSelector('.head.victim');
    expect((await page.getAttribute('[data-finding="0"]', 'aria-current')) === 'true', 'the card is not marked');
    await settled(page);
    await save('finding');
    await page.keyboard.press('n');
    await hashHas(page, `finding=${findings.findings.length > 1 ? 1 : 0}`);
  },

  async 'a range: drag on the time axis, tables beside it'({ page, save }) {
    const axis = await page.locator('.axis canvas').boundingBox();
    const y = axis.y + axis.height - 8;
    await page.mouse.move(axis.x + axis.width * 0.3, y);
    await page.mouse.down();
    await page.mouse.move(axis.x + axis.width * 0.6, y, { steps: 5 });
    await page.mouse.up();
    await page.waitForSelector('.range-table tbody tr');
    expect((await page.$$('td.share .bar')).length > 0, 'no shares');
    await hashHas(page, 'range=');
    await settled(page);
    await save('range');
    await page.focus('#rows');
    await page.keyboard.press('Escape');
    await until(() => page.$$('.range-table'), (list) => list.length === 0, 'Esc does not clear the range');
  },

  async 'SQL: rows, a moment to go to, an error with its place'({ page, save }) {
    await page.focus('#rows');
    await page.keyboard.press('q');
    await page.waitForSelector('#sql:focus');
    await page.fill('#sql', 'SELECT machine, from_ns FROM sched_slice WHERE from_ns > 1000000000 LIMIT 3');
    await page.keyboard.press('Control+Enter');
    await page.waitForSelector('[data-result=sql] tbody tr');
    expect((await page.$$('[data-result=sql] tbody tr')).length === 3, 'not three rows');
    await save('sql');
    const before = await view(page);
    await page.click('[data-result=sql] button.link >> nth=0');
    await until(() => view(page), (now) => length(now) < length(before), 'the moment is not gone to');
    await page.fill('#sql', 'SELECT nonsense FROM nowhere');
    await page.click('#sql-run');
    await page.waitForSelector('.failed');
    expect(/nowhere/.test(await page.textContent('.failed')), 'the error does not say what');
    await page.click('.tables summary >> nth=0');
    await page.waitForSelector('.tables details');
  },

  async 'the URL brings the same view back, and back and forward work'({ page, address, browser }) {
    const key = (await heads(page))[0];
    const cards = await page.$$('.card-head');
    if (cards.length) await cards[0].click();
    await page.fill('#filter', key.split('/')[0]);
    await page.locator(`[data-track="${key}"] .name`).click();
    await page.keyboard.press('p');
    await page.fill('#filter', 'cpu');
    await page.focus('#rows');
    await page.keyboard.press('w');
    await hashHas(page, `pinned=${key}`);
    await hashHas(page, 'filter=cpu');
    await settled(page);
    const here = await view(page);
    const hash = await until(() => page.evaluate(() => location.hash), (text) => text.includes(`view=${Math.round(here.from)}_${Math.round(here.until)}`), 'the hash does not follow the view');
    const other = await open(browser, `${address}${hash}`);
    await settled(other.page);
    const there = await view(other.page);
    expect(Math.abs(there.from - here.from) <= 1 && Math.abs(there.until - here.until) <= 1, 'another view');
    expect((await other.page.inputValue('#filter')) === 'cpu', 'no filter');
    expect((await other.page.$$(`.pinned [data-track="${key}"]`)).length === 1, 'not pinned');
    expect(other.complaints.length === 0, other.complaints.join('; '));
    await other.context.close();
    await page.goBack();
    await until(() => page.$$('.pinned [data-track]'), (list) => list.length === 0, 'back does not undo the pin');
    await page.goForward();
    await page.waitForSelector(`.pinned [data-track="${key}"]`);
  },

  async 'pictures: PNG and SVG'({ page }) {
    const png = await download(page, '#picture-png');
    expect(/\.png$/.test(png.name), png.name);
    const { colours, width } = coloursOf(png.bytes);
    expect(colours > 20 && width > 1000, `${colours} colours, ${width} wide`);
    const svg = await download(page, '#picture-svg');
    const text = svg.bytes.toString('utf8');
    expect(/\.svg$/.test(svg.name), svg.name);
    const parsed = await page.evaluate((xml) => {
      const document = new DOMParser().parseFromString(xml, 'image/svg+xml');
      const count = (name) => document.getElementsByTagName(name).length;
      return { broken: count('parsererror'), shapes: count('rect') + count('path'), words: count('text') };
    }, text);
    expect(parsed.broken === 0 && parsed.shapes > 50 && parsed.words > 10, JSON.stringify(parsed));
  },

  async 'rows: fold, pin, hide, show again, filter'({ page }) {
    const before = await heads(page);
    await page.click('[data-group=host] .name');
    await until(() => heads(page), (keys) => !keys.some((key) => key.startsWith('host/')), 'the host is not folded');
    await page.click('[data-group=host] .name');
    await until(() => heads(page), (keys) => keys.includes(before[0]), 'the host is not open again');
    await page.locator(`[data-track="${before[1]}"] .name`).click();
    await page.keyboard.press('p');
    await page.waitForSelector(`.pinned [data-track="${before[1]}"]`);
    await page.locator(`[data-track="${before[0]}"] .name`).click();
    await page.keyboard.press('h');
    await until(() => heads(page), (keys) => !keys.includes(before[0]), 'the row is not hidden');
    await page.click('.show-hidden');
    await until(() => heads(page), (keys) => keys.includes(before[0]), 'the row does not come back');
    await page.fill('#filter', 'disk');
    await until(() => page.$$eval('.unpinned [data-track]', (list) => list.map((one) => one.dataset.track)), (keys) => keys.length > 0 && keys.every((key) => key.includes('/disk/')), 'the filter shows other rows');
  },

  async 'keyboard alone: rows, a slice, its neighbours, help'({ page }) {
    await page.focus('#rows');
    await page.keyboard.press('ArrowDown');
    await page.waitForSelector('.head.current');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-tab=selection] .facts');
    const first = await hashHas(page, 'sel=');
    await page.keyboard.press('f');
    await settled(page);
    await page.keyboard.press('Shift+ArrowRight');
    await until(() => page.evaluate(() => location.hash), (hash) => hash.includes('sel=') && hash.split('sel=')[1].split('&')[0] !== first.split('sel=')[1].split('&')[0], 'the next slice is not selected');
    expect((await page.textContent('[role=status]')).length > 5, 'nothing is told to a screen reader');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open] kbd');
    await page.keyboard.press('Escape');
    await until(() => page.$$('dialog[open]'), (list) => list.length === 0, 'Esc does not close the help');
  },

  async 'dark and light, remembered'({ page, save }) {
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
    const before = await theme();
    await page.click('#theme');
    await until(theme, (now) => now !== before, 'the theme does not change');
    await settled(page);
    await save(`theme-${await theme()}`);
    const after = await theme();
    await page.reload();
    await settled(page);
    expect((await theme()) === after, 'the theme is forgotten');
  },

  async 'print: light, with the panel'({ page, save }) {
    await page.evaluate(() => localStorage.setItem('ivtrace-theme', 'dark'));
    await page.reload();
    await settled(page);
    await page.emulateMedia({ media: 'print' });
    await until(() => page.evaluate(() => document.documentElement.dataset.theme), (now) => now === 'light', 'not light on paper');
    expect(await page.isVisible('.panel'), 'no panel on paper');
    expect(!(await page.isVisible('#filter')), 'fields on paper');
    await save('print');
  },

  async 'a guest’s name is text'({ page }) {
    const kHostile = '<img src=x onerror=alert(1)>';
    await page.route('**/findings', (route) =>
      route.fulfill({ json: { findings: [{ pattern: 'p', title: kHostile, severity: 'critical', victim: kHostile, culprit: kHostile, share: 1, from: 0, until: 1e9, confidence: 1, impact_ns: 0, text: kHostile, advice: kHostile, numbers: [{ name: kHostile, text: kHostile }], evidence: [{ title: kHostile, columns: [kHostile], rows: [[kHostile]], more: false }], victim_tracks: [0], culprit_tracks: [] }], unknown: [], tried: 1 } }),
    );
    await page.route('**/run', async (route) => {
      const run = await (await route.fetch()).json();
      run.name = kHostile;
      run.notices = [kHostile];
      run.machines[0].note = kHostile;
      run.tracks[0].name = kHostile;
      await route.fulfill({ json: run });
    });
    await page.route('**/tiles?*', async (route) => {
      const answer = await (await route.fetch()).json();
      for (const tile of answer.tiles) for (const category of tile.categories) category.label = kHostile;
      await route.fulfill({ json: answer });
    });
    await page.reload();
    await settled(page);
    const head = await page.locator('[data-track]').first().boundingBox();
    const rows = await page.locator('#rows').boundingBox();
    await page.mouse.move(rows.x + rows.width / 2, head.y + head.height / 2);
    await page.focus('#rows');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-tab=selection] .facts');
    expect((await page.$$('img')).length === 0, 'a name became an element');
    expect((await page.textContent('.run-name')).includes(kHostile), 'the name is not shown as it is');
    const { bytes } = await download(page, '#picture-svg');
    expect(!bytes.toString('utf8').includes('<img'), 'a name became an element of the picture');
  },
};
