// Follows the run while it is being read, and fetches the findings when they are ready.

import { ApiError } from '../api/source';
import { around } from '../model/axis';
import { fail, go } from './actions';
import type { Store } from './store';
import { waiting } from './store';

const kEveryMs = 200;
const kTroubleMs = 2000;

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Ends when all is read. `first` is called once, when there is something to look at. */
export async function follow(store: Store, first: () => void): Promise<void> {
  let begun = false;
  for (;;) {
    try {
      const run = await store.source.run();
      const before = store.run.peek();
      store.run.value = run;
      store.trouble.value = run.progress.failure;
      if (run.duration_ns > 0 || run.progress.done) {
        if (!begun) first();
        else if (before) grow(store, before.duration_ns);
        begun = true;
      }
      if (run.findings_ready && store.findings.peek().is !== 'there') await loadFindings(store);
      if (run.progress.done && (run.findings_ready || run.progress.failure)) return;
      await wait(kEveryMs);
    } catch (error) {
      store.trouble.value =
        error instanceof ApiError ? `${error.message}${error.hint ? `: ${error.hint}` : ''}` : String(error);
      await wait(kTroubleMs);
    }
  }
}

/** Who sees the whole run goes on seeing it while it grows. */
function grow(store: Store, before: number): void {
  const { target } = store;
  if (before !== store.duration && target.peek().from <= 0 && target.peek().until >= before)
    go(store, store.whole(), false);
}

async function loadFindings(store: Store): Promise<void> {
  store.findings.value = waiting;
  try {
    store.findings.value = { is: 'there', value: await store.source.findings() };
  } catch (error) {
    store.findings.value = fail(error);
  }
}

/** A report shows the stretch that matters first. */
export function showStretch(store: Store, stretch: { from: number; until: number }): void {
  go(store, around(stretch, 0, store.duration), false);
}
