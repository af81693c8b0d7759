// Asking what happened: search, requests, findings, ranges, SQL, and the URL that keeps it. Each scenario gets a fresh
// page that has read everything.

import { expect, open, settled, until, view } from './browser.mjs';
import { aRequest, asks, clickRequest, hashHas, heads, length } from './steps.mjs';

export const asking = {
  async 'search finds a name and goes there'({ page }) {
    const before = await view(page);
    const { rows } = await asks(
      page,
      "SELECT comm FROM sched_slice WHERE machine = 'host' AND tid > 0 AND comm IS NOT NULL GROUP BY comm ORDER BY count(*) DESC LIMIT 1",
    );
    await page.keyboard.press('/');
    await page.keyboard.type(String(rows[0][0]).slice(0, 8));
    await page.waitForSelector('#hits [role=option]');
    const options = await page.$$eval('#hits [role=option] .what', (list) => list.map((one) => one.textContent));
    const task = options.indexOf('task');
    expect(task >= 0, `no task among ${options}`);
    for (let i = 0; i < task; i++) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await until(
      () => view(page),
      (now) => length(now) < length(before),
      'the view has not moved',
    );
    await page.waitForSelector('[data-tab=selection] .facts');
  },

  async 'a request: phases, what it waited behind, raw events, its tie'({ page, save }) {
    const request = await aRequest(page);
    const margin = (request.until - request.from) / 4;
    const from = request.from - Math.ceil(margin);
    await page.evaluate(
      (hash) => (location.hash = hash),
      `view=${from}_${request.until + Math.ceil(margin)}&pinned=${request.pins}`,
    );
    await page.waitForSelector(`[data-track="${request.key}"]`);
    await until(
      () => view(page),
      (now) => Math.abs(now.from - from) < margin,
      'the hash was not followed',
    );
    await settled(page);
    await clickRequest(page, request.key, (request.from + request.until) / 2, request.id);
    await hashHas(page, `~${request.id}`);
    await page.waitForSelector('.phases tr');
    const phases = await page.$$eval('.phases tr', (list) => list.length);
    expect(phases === request.detail.phases.length, `${phases} phases shown, ${request.detail.phases.length} told`);
    const behind = await page.$$eval('.behind tr', (list) => list.length);
    expect(
      behind === request.detail.waited_behind.length,
      `${behind} waited behind, ${request.detail.waited_behind.length} told`,
    );
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
    const now = await until(
      () => view(page),
      (one) => one.from <= finding.from && one.until >= finding.until,
      'the view does not hold the finding',
    );
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
    await until(
      () => page.$$('.range-table'),
      (list) => list.length === 0,
      'Esc does not clear the range',
    );
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
    await until(
      () => view(page),
      (now) => length(now) < length(before),
      'the moment is not gone to',
    );
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
    const hash = await until(
      () => page.evaluate(() => location.hash),
      (text) => text.includes(`view=${Math.round(here.from)}_${Math.round(here.until)}`),
      'the hash does not follow the view',
    );
    const other = await open(browser, `${address}${hash}`);
    await settled(other.page);
    const there = await view(other.page);
    expect(Math.abs(there.from - here.from) <= 1 && Math.abs(there.until - here.until) <= 1, 'another view');
    expect((await other.page.inputValue('#filter')) === 'cpu', 'no filter');
    expect((await other.page.$$(`.pinned [data-track="${key}"]`)).length === 1, 'not pinned');
    expect(other.complaints.length === 0, other.complaints.join('; '));
    await other.context.close();
    await page.goBack();
    await until(
      () => page.$$('.pinned [data-track]'),
      (list) => list.length === 0,
      'back does not undo the pin',
    );
    await page.goForward();
    await page.waitForSelector(`.pinned [data-track="${key}"]`);
  },
};
