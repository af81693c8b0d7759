// A page in Debian's Chromium, with an ear for everything that must not happen.

import { chromium } from 'playwright-core';

/** A loaded machine of two cores may take its time; nothing is ever waited for longer than that. */
export const kPatience = 60_000;

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  });
}

/** `complaints` fills with errors of the console, of scripts, and requests to anybody else. */
export async function open(browser, address, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1400, height: 900 },
    reducedMotion: 'reduce',
    acceptDownloads: true,
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(kPatience);
  const complaints = [];
  const home = new URL(address);
  page.on('console', (message) => {
    // An answer of 4xx that a scenario asks for is told by the browser too.
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text()))
      complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const traffic = { requests: 0, bytes: 0 };
  page.on('request', (request) => {
    const url = new URL(request.url());
    const own = ['data:', 'blob:'].includes(url.protocol) || (url.protocol === home.protocol && url.host === home.host);
    if (!own) complaints.push(`request to another place: ${request.url()}`);
    traffic.requests++;
  });
  page.on('response', (response) => {
    response.body().then(
      (body) => (traffic.bytes += body.length),
      () => undefined,
    );
  });
  await page.goto(address);
  return { page, context, complaints, traffic };
}

export const settled = (page) =>
  page.waitForFunction(
    () => document.documentElement.dataset.still === '1' && document.documentElement.dataset.ready === 'all',
  );

export async function view(page) {
  const [from, until] = (await page.evaluate(() => document.documentElement.dataset.view)).split('_').map(Number);
  return { from, until };
}

/** Waits until what `read` gives fulfils `test`, and gives it back. */
export async function until(read, test, what) {
  const end = Date.now() + kPatience;
  let value;
  do {
    value = await read();
    if (test(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while (Date.now() < end);
  throw new Error(`${what}; last seen: ${JSON.stringify(value)}`);
}

export function expect(condition, what) {
  if (!condition) throw new Error(what);
}
