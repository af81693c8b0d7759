// The keys, in one table: what they do, and what the dialog says of them.

export type Command =
  | 'zoom-in'
  | 'zoom-out'
  | 'pan-left'
  | 'pan-right'
  | 'row-up'
  | 'row-down'
  | 'slice-left'
  | 'slice-right'
  | 'whole'
  | 'focus'
  | 'select-middle'
  | 'previous'
  | 'next'
  | 'finding-next'
  | 'finding-previous'
  | 'pin'
  | 'hide'
  | 'show-hidden'
  | 'search'
  | 'filter'
  | 'keys'
  | 'panel'
  | 'escape'
  | 'sql';

export interface Binding {
  keys: string[];
  command: Command;
  text: string;
  group: 'Move' | 'Select' | 'Rows' | 'Page';
  shift?: boolean;
}

export const kBindings: Binding[] = [
  { keys: ['w'], command: 'zoom-in', text: 'zoom in', group: 'Move' },
  { keys: ['s'], command: 'zoom-out', text: 'zoom out', group: 'Move' },
  { keys: ['a', 'ArrowLeft'], command: 'pan-left', text: 'to earlier times', group: 'Move' },
  { keys: ['d', 'ArrowRight'], command: 'pan-right', text: 'to later times', group: 'Move' },
  { keys: ['0'], command: 'whole', text: 'the whole run', group: 'Move' },
  { keys: ['f'], command: 'focus', text: 'fit the selection into the window', group: 'Move' },
  { keys: ['n'], command: 'finding-next', text: 'next finding', group: 'Move' },
  { keys: ['b'], command: 'finding-previous', text: 'previous finding', group: 'Move' },
  {
    keys: ['Enter'],
    command: 'select-middle',
    text: 'select what the row shows in the middle of the window',
    group: 'Select',
  },
  {
    keys: ['ArrowLeft'],
    shift: true,
    command: 'slice-left',
    text: 'select the slice before on this row',
    group: 'Select',
  },
  {
    keys: ['ArrowRight'],
    shift: true,
    command: 'slice-right',
    text: 'select the slice behind on this row',
    group: 'Select',
  },
  { keys: ['['], command: 'previous', text: 'previous slice of the same task, reason or name', group: 'Select' },
  { keys: [']'], command: 'next', text: 'next slice of the same', group: 'Select' },
  { keys: ['Escape'], command: 'escape', text: 'close, or select nothing', group: 'Select' },
  { keys: ['ArrowUp'], command: 'row-up', text: 'the row above', group: 'Rows' },
  { keys: ['ArrowDown'], command: 'row-down', text: 'the row below', group: 'Rows' },
  { keys: ['p'], command: 'pin', text: 'pin the row to the top, or loose it', group: 'Rows' },
  { keys: ['h'], command: 'hide', text: 'hide the row', group: 'Rows' },
  { keys: ['h'], shift: true, command: 'show-hidden', text: 'show all hidden rows again', group: 'Rows' },
  { keys: ['/'], command: 'search', text: 'search tasks, disks, interrupts', group: 'Page' },
  { keys: ['r'], command: 'filter', text: 'filter rows', group: 'Page' },
  { keys: ['q'], command: 'sql', text: 'ask in SQL', group: 'Page' },
  { keys: ['e'], command: 'panel', text: 'fold the panel, or open it', group: 'Page' },
  { keys: ['?'], command: 'keys', text: 'this help', group: 'Page' },
];

export interface KeyPress {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** Keys that are typed with shift on some keyboards, and mean the same with and without it. */
const kSigns = new Set(['?', '/', '[', ']', '0']);

/** `typing`: the focus is where letters are written; `pressing`: on a button, which Enter presses. */
export function commandFor(press: KeyPress, typing: boolean, pressing: boolean): Command | null {
  if (press.ctrlKey || press.metaKey || press.altKey) return null;
  if (typing) return null;
  if (pressing && press.key === 'Enter') return null;
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  const found = kBindings.find(
    (binding) =>
      binding.keys.includes(key) && (kSigns.has(key) || key === 'Escape' || Boolean(binding.shift) === press.shiftKey),
  );
  return found?.command ?? null;
}

/** As it stands on the key. */
export function keyName(key: string): string {
  const names: Record<string, string> = {
    ArrowLeft: '←',
    ArrowRight: '→',
    ArrowUp: '↑',
    ArrowDown: '↓',
    Escape: 'Esc',
  };
  return names[key] ?? (key.length === 1 ? key.toUpperCase() : key);
}
