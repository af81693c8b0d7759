// The theme: as the system has it, or as a person chose it (kept in the browser where it keeps anything). The style
// sheet's colours are the drawing code's: one palette.

import { effect } from '@preact/signals';
import type { Store, ThemeChoice } from './store';

const kKey = 'ivtrace-theme';

function remembered(): ThemeChoice {
  try {
    const text = localStorage.getItem(kKey);
    return text === 'light' || text === 'dark' ? text : 'system';
  } catch {
    return 'system';
  }
}

function remember(choice: ThemeChoice): void {
  try {
    if (choice === 'system') localStorage.removeItem(kKey);
    else localStorage.setItem(kKey, choice);
  } catch {
    // Then it holds for this page only.
  }
}

export function followTheme(store: Store, paint: () => void): void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const printing = matchMedia('print');
  store.systemDark.value = dark.matches;
  store.themeChoice.value = remembered();
  dark.addEventListener('change', () => (store.systemDark.value = dark.matches));
  // Paper is white, and the canvas has to know it before it is printed.
  const print = (on: boolean): void => {
    store.printing.value = on;
    paint();
  };
  printing.addEventListener('change', () => print(printing.matches));
  addEventListener('beforeprint', () => print(true));
  addEventListener('afterprint', () => print(false));
  effect(() => remember(store.themeChoice.value));
  effect(() => {
    const theme = store.theme.value;
    const { style, dataset } = document.documentElement;
    dataset.theme = theme.name;
    style.colorScheme = theme.name;
    for (const name of [
      'background',
      'raised',
      'line',
      'text',
      'muted',
      'accent',
      'victim',
      'culprit',
      'preempted',
      'host',
      'halted',
    ] as const) {
      style.setProperty(`--${name}`, theme[name]);
    }
  });
}

export function switchTheme(store: Store): void {
  store.themeChoice.value = store.theme.peek().name === 'dark' ? 'light' : 'dark';
}
