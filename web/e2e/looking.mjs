// Looking at a run: rows, moving about, themes, pictures. Each scenario gets a fresh page that has read everything.

import { expect, settled, until, view } from './browser.mjs';
import { coloursOf, download, hashHas, heads, length, near } from './steps.mjs';

export const looking = {
  async 'rows are there, by machine, and something is drawn'({ page }) {
    const keys = await heads(page);
    expect(
      keys.some((key) => key.startsWith('host/cpu/')),
      `no CPU of the host among ${keys}`,
    );
    expect((await page.$$('[data-group]')).length > 2, 'no groups');
    const picture = await page.locator('#rows').screenshot();
    expect(coloursOf(picture).colours > 10, 'the canvas is blank');
  },

  async 'keys zoom and pan'({ page }) {
    await page.focus('#rows');
    const whole = await view(page);
    await page.keyboard.press('w');
    await page.keyboard.press('w');
    const near2 = await until(
      () => view(page),
      (now) => length(now) < length(whole) * 0.55,
      'W does not zoom in',
    );
    await page.keyboard.press('d');
    await until(
      () => view(page),
      (now) => now.from > near2.from,
      'D does not pan',
    );
    await page.keyboard.press('ArrowLeft');
    await until(
      () => view(page),
      (now) => near(now.from, near2.from),
      'the arrow does not pan back',
    );
    await page.keyboard.press('s');
    await until(
      () => view(page),
      (now) => length(now) > length(near2) * 1.2,
      'S does not zoom out',
    );
    await page.keyboard.press('0');
    await until(
      () => view(page),
      (now) => near(length(now), length(whole)),
      '0 does not show the whole run',
    );
  },

  async 'wheel zooms at the pointer with Ctrl, and pans with Shift'({ page }) {
    const rows = await page.locator('#rows').boundingBox();
    const before = await view(page);
    const at = before.from + length(before) * 0.25;
    await page.mouse.move(rows.x + rows.width * 0.25, rows.y + 60);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -200);
    await page.keyboard.up('Control');
    const after = await until(
      () => view(page),
      (now) => length(now) < length(before) * 0.8,
      'no zoom',
    );
    expect(near(after.from + length(after) * 0.25, at, 0.05), 'the time under the pointer has moved');
    await page.keyboard.down('Shift');
    await page.mouse.wheel(0, 120);
    await page.keyboard.up('Shift');
    await until(
      () => view(page),
      (now) => now.from > after.from,
      'no pan',
    );
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
    await until(
      () => view(page),
      (now) => now.from > before.from,
      'the view has not moved',
    );
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
    await until(
      () => heads(page),
      (keys) => !keys.some((key) => key.startsWith('host/')),
      'the host is not folded',
    );
    await page.click('[data-group=host] .name');
    await until(
      () => heads(page),
      (keys) => keys.includes(before[0]),
      'the host is not open again',
    );
    await page.locator(`[data-track="${before[1]}"] .name`).click();
    await page.keyboard.press('p');
    await page.waitForSelector(`.pinned [data-track="${before[1]}"]`);
    await page.locator(`[data-track="${before[0]}"] .name`).click();
    await page.keyboard.press('h');
    await until(
      () => heads(page),
      (keys) => !keys.includes(before[0]),
      'the row is not hidden',
    );
    await page.click('.show-hidden');
    await until(
      () => heads(page),
      (keys) => keys.includes(before[0]),
      'the row does not come back',
    );
    await page.fill('#filter', 'disk');
    await until(
      () => page.$$eval('.unpinned [data-track]', (list) => list.map((one) => one.dataset.track)),
      (keys) => keys.length > 0 && keys.every((key) => key.includes('/disk/')),
      'the filter shows other rows',
    );
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
    await until(
      () => page.evaluate(() => location.hash),
      (hash) => hash.includes('sel=') && hash.split('sel=')[1].split('&')[0] !== first.split('sel=')[1].split('&')[0],
      'the next slice is not selected',
    );
    expect((await page.textContent('[role=status]')).length > 5, 'nothing is told to a screen reader');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open] kbd');
    await page.keyboard.press('Escape');
    await until(
      () => page.$$('dialog[open]'),
      (list) => list.length === 0,
      'Esc does not close the help',
    );
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
    await until(
      () => page.evaluate(() => document.documentElement.dataset.theme),
      (now) => now === 'light',
      'not light on paper',
    );
    expect(await page.isVisible('.panel'), 'no panel on paper');
    expect(!(await page.isVisible('#filter')), 'fields on paper');
    await save('print');
  },

  async 'a guest’s name is text'({ page }) {
    const kHostile = '<img src=x onerror=alert(1)>';
    await page.route('**/findings', (route) =>
      route.fulfill({
        json: {
          findings: [
            {
              pattern: 'p',
              title: kHostile,
              severity: 'critical',
              victim: kHostile,
              culprit: kHostile,
              share: 1,
              from: 0,
              until: 1e9,
              confidence: 1,
              impact_ns: 0,
              text: kHostile,
              advice: kHostile,
              numbers: [{ name: kHostile, text: kHostile }],
              evidence: [{ title: kHostile, columns: [kHostile], rows: [[kHostile]], more: false }],
              victim_tracks: [0],
              culprit_tracks: [],
            },
          ],
          unknown: [],
          tried: 1,
        },
      }),
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
