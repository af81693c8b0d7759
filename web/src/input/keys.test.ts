import { describe, expect, it } from 'vitest';
import { commandFor, kBindings, keyName } from './keys';

const press = (key: string, more: Partial<Parameters<typeof commandFor>[0]> = {}) => ({
  key,
  shiftKey: false,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...more,
});

describe('keys', () => {
  it('do what they are known for', () => {
    expect(commandFor(press('w'), false, false)).toBe('zoom-in');
    expect(commandFor(press('ArrowLeft'), false, false)).toBe('pan-left');
    expect(commandFor(press('ArrowLeft', { shiftKey: true }), false, false)).toBe('slice-left');
    expect(commandFor(press('/'), false, false)).toBe('search');
    expect(commandFor(press('H', { shiftKey: true }), false, false)).toBe('show-hidden');
  });
  it('mean their sign, however the keyboard makes it', () => {
    expect(commandFor(press('?', { shiftKey: true }), false, false)).toBe('keys');
    expect(commandFor(press('/', { shiftKey: true }), false, false)).toBe('search');
    expect(commandFor(press('W'), false, false)).toBe('zoom-in');
  });
  it('are letters where letters are written', () => expect(commandFor(press('w'), true, false)).toBeNull());
  it('are the browser’s with Ctrl, Alt and Meta', () => {
    for (const key of ['ctrlKey', 'altKey', 'metaKey'])
      expect(commandFor(press('s', { [key]: true }), false, false)).toBeNull();
  });
  it('leave Enter to the button that has the focus', () => {
    expect(commandFor(press('Enter'), false, true)).toBeNull();
    expect(commandFor(press('Enter'), false, false)).toBe('select-middle');
  });
  it('are each bound once', () => {
    const all = kBindings.flatMap((binding) => binding.keys.map((key) => `${binding.shift ? 'shift ' : ''}${key}`));
    expect(new Set(all).size).toBe(all.length);
  });
  it('have names', () => expect(['ArrowUp', 'w', 'Escape', 'Enter'].map(keyName)).toEqual(['↑', 'W', 'Esc', 'Enter']));
});
