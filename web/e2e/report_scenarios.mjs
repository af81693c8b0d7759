// A report opened as a file. That nothing is asked of anybody, every scenario's ear listens for.

import { expect, settled, until, view } from './browser.mjs';

export const reportScenarios = {
  async 'a report opens from a file and shows the stretch that matters'({ page, save }) {
    const report = await page.evaluate(() => JSON.parse(document.getElementById('ivtrace-report').textContent));
    const now = await view(page);
    expect(
      Math.abs(now.from - report.from) <= (report.until - report.from) * 0.05 + 1000,
      `from ${now.from}, not ${report.from}`,
    );
    expect((await page.$$('[data-track]')).length > 0, 'no rows');
    expect((await page.$$('.card')).length === report.findings.findings.length, 'other findings');
    expect((await page.$$('#tab-sql')).length === 0, 'a report has no SQL');
    await save('report');
  },

  async 'a report zooms, and says where its detail ends'({ page }) {
    await page.focus('#rows');
    const before = await view(page);
    for (let i = 0; i < 40; i++) await page.keyboard.press('w');
    await until(
      () => view(page),
      (now) => now.until - now.from < (before.until - before.from) / 100,
      'no zoom',
    );
    await until(
      () => page.textContent('.hint'),
      (text) => /finer detail/.test(text),
      'it does not say that there is no finer detail',
    );
  },

  async 'a report is searched by what is drawn'({ page }) {
    const name = await page.evaluate(() => {
      const report = JSON.parse(document.getElementById('ivtrace-report').textContent);
      return report.run.tracks[0].name;
    });
    await page.keyboard.press('/');
    await page.keyboard.type(name);
    await page.waitForSelector('#hits [role=option]');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.head.current');
    await settled(page);
  },
};
