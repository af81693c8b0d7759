// node e2e/run.mjs ADDRESS [--report FILE] [--pictures DIR] [--only TEXT]
//
// Does with the page at ADDRESS what a person does, in a real browser. One line for each scenario; exit 1 when one fails.

import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { asking } from './asking.mjs';
import { launch, open, settled } from './browser.mjs';
import { looking } from './looking.mjs';
import { reportScenarios } from './report_scenarios.mjs';

function parse(args) {
  const options = { address: '', report: '', pictures: '', only: '' };
  for (let i = 0; i < args.length; i++) {
    const name = /^--(report|pictures|only)$/.exec(args[i])?.[1];
    if (name && args[i + 1]) options[name] = args[++i];
    else if (!name && !options.address) options.address = args[i];
    else throw new Error(`what is ${args[i]}?`);
  }
  if (!options.address) throw new Error('usage: run.mjs ADDRESS [--report FILE] [--pictures DIR] [--only TEXT]');
  return options;
}

async function play(browser, name, scenario, address, pictures) {
  let opened;
  try {
    opened = await open(browser, address);
    const { page } = opened;
    await settled(page);
    const save = async (title) => {
      if (pictures) await page.screenshot({ path: join(pictures, `${title}.png`) });
    };
    await scenario({ page, address, browser, save });
    if (opened.complaints.length) throw new Error(opened.complaints.join('; '));
    console.log(`ok ${name}`);
    return true;
  } catch (error) {
    console.log(`FAIL ${name}: ${String(error.message ?? error).split('\n')[0]}`);
    if (pictures && opened)
      await opened.page
        .screenshot({ path: join(pictures, `failed ${name.replace(/\W+/g, ' ').trim()}.png`) })
        .catch(() => undefined);
    return false;
  } finally {
    await opened?.context.close();
  }
}

const options = parse(process.argv.slice(2));
if (options.pictures) await mkdir(options.pictures, { recursive: true });
const browser = await launch();
let failed = 0;
const playAll = async (all, address) => {
  for (const [name, scenario] of Object.entries(all)) {
    if (name.includes(options.only) && !(await play(browser, name, scenario, address, options.pictures))) failed++;
  }
};
await playAll({ ...looking, ...asking }, options.address);
if (options.report) await playAll(reportScenarios, pathToFileURL(resolve(options.report)).href);
await browser.close();
process.exit(failed ? 1 : 0);
