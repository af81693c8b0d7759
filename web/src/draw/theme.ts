// The colours of both themes. colours_test says what must be told apart, by people of every sight.

import type { Category, TrackKind } from '../api/types';
import { contrast, mixed } from './colour';

export interface Theme {
  name: 'light' | 'dark';
  background: string;
  /** Every second row, group heads, the axis. */
  raised: string;
  line: string;
  text: string;
  muted: string;
  accent: string;
  /** What is selected, marked or told to be to blame. */
  selected: string;
  victim: string;
  culprit: string;
  loss: string;
  unaligned: string;
  host: string;
  machines: string[];
  exit: string;
  userspace: string;
  preempted: string;
  halted: string;
  blocked: string;
  phases: Record<string, string>;
}

// Okabe and Ito's colours for machines; vermillion and yellow are left out of them: they are for waiting and for exits.
// Phases have their own: violet on the way in, red with the host and its device, green on the way back.
export const kLight: Theme = {
  name: 'light',
  background: '#ffffff',
  raised: '#f4f6f8',
  line: '#dce1e6',
  text: '#1b222a',
  muted: '#55606c',
  accent: '#0b5cad',
  selected: '#111820',
  victim: '#b3261e',
  culprit: '#6b3fa0',
  loss: '#8a6d00',
  unaligned: '#8a94a0',
  host: '#6b7580',
  machines: ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#7a5230', '#b6c400', '#4b3f9e'],
  exit: '#f0e442',
  userspace: '#3d2f6b',
  preempted: '#d55e00',
  halted: '#dfe4e9',
  blocked: '#b9c1ca',
  phases: {
    guest_queue: '#d5c6f0',
    to_qemu: '#855ecb',
    virtqueue: '#8c3784',
    qemu_block: '#d88fdb',
    qemu_to_host: '#38226b',
    to_host: '#5263b8',
    host_queue: '#f4b3a2',
    device: '#b3202f',
    qemu_call: '#6e4a2a',
    qemu_request: '#bf6a3c',
    qemu_completion: '#4ac18c',
    qemu_notify: '#8ac75e',
    interrupt: '#3b9ca4',
    to_guest: '#a9d8bb',
    guest_completion: '#23654a',
    return: '#cbdf9c',
    unattributed: '#a9b1ba',
  },
};

export const kDark: Theme = {
  name: 'dark',
  background: '#14181d',
  raised: '#1c2229',
  line: '#313a44',
  text: '#e6eaee',
  muted: '#a0abb6',
  accent: '#6cb4f5',
  selected: '#ffffff',
  victim: '#ff8a80',
  culprit: '#c5a3ff',
  loss: '#d9b93a',
  unaligned: '#6b7682',
  host: '#76818d',
  machines: ['#3d9bdc', '#e8a92e', '#1fb58a', '#d98bb8', '#8fd0f5', '#a5764c', '#c9d63f', '#7f74d6'],
  exit: '#f2e96b',
  userspace: '#6a4fc0',
  preempted: '#e8641b',
  halted: '#2a323b',
  blocked: '#46515d',
  phases: {
    guest_queue: '#e3d8fa',
    to_qemu: '#9f80ea',
    virtqueue: '#74386c',
    qemu_block: '#b97ab9',
    qemu_to_host: '#5a3cb4',
    to_host: '#8fa0f0',
    host_queue: '#f7c0b1',
    device: '#d23c4b',
    qemu_call: '#8a6038',
    qemu_request: '#cba265',
    qemu_completion: '#48baae',
    qemu_notify: '#528e34',
    interrupt: '#84da85',
    to_guest: '#b7e2c8',
    guest_completion: '#318259',
    return: '#d3e8a8',
    unattributed: '#6b7682',
  },
};

export const themes = { light: kLight, dark: kDark };

/** A machine's own colour; the host (0, and nobody) is grey. */
export const machineColour = (theme: Theme, machine: number): string =>
  machine <= 0 ? theme.host : theme.machines[(machine - 1) % theme.machines.length];

/** Of two neighbours that would look the same one is a little lighter. */
function shade(theme: Theme, colour: string, seed: number): string {
  return [colour, mixed(colour, theme.background, 0.22), mixed(colour, theme.background, 0.42)][Math.abs(seed) % 3];
}

function textSeed(text: string): number {
  let seed = 7;
  for (let i = 0; i < text.length; i++) seed = (seed * 31 + text.charCodeAt(i)) | 0;
  return seed >>> 4;
}

/** What a category is filled with on a row of that kind. `owner`: the machine of the row. */
export function colourOf(theme: Theme, kind: TrackKind, owner: number, category: Category): string {
  const own = machineColour(theme, owner);
  switch (category.state) {
    case 'vcpu':
      return machineColour(theme, category.machine);
    case 'qemu':
      return mixed(machineColour(theme, category.machine), theme.text, 0.45);
    case 'host':
      return shade(theme, theme.host, textSeed(category.label));
    case 'guest':
    case 'running':
      return own;
    case 'exit':
      return theme.exit;
    case 'userspace':
      return theme.userspace;
    case 'preempted':
      return theme.preempted;
    case 'halted':
    case 'idle':
      return theme.halted;
    case 'blocked':
      // A thread of QEMU's that sleeps has nothing to do; a vCPU that does so should run.
      return kind === 'thread' ? theme.halted : theme.blocked;
    case 'task':
      return shade(theme, own, category.tid);
    case 'irq':
      return mixed(own, theme.text, 0.35);
    case 'softirq':
      return mixed(own, theme.background, 0.35);
    case 'slice':
      return shade(theme, own, textSeed(category.label));
    case 'instant':
      return theme.accent;
    case 'value':
      return mixed(own, theme.background, 0.25);
    default:
      return kind === 'disk' ? machineColour(theme, category.machine >= 0 ? category.machine : owner) : theme.muted;
  }
}

export const phaseColour = (theme: Theme, name: string): string => theme.phases[name] ?? theme.phases.unattributed;

/** Black or white, whichever is read better on it. */
export function inkOn(colour: string): string {
  return contrast(colour, '#10151a') >= contrast(colour, '#ffffff') ? '#10151a' : '#ffffff';
}
