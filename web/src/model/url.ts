// The page's state as a URL's hash, by names: it brings the same view back in another process, on another machine.

import type { Stretch } from './axis';

export type Tab = 'findings' | 'selection' | 'range' | 'sql';

/** A slice, told by where it is. */
export interface SlicePlace {
  track: string;
  from: number;
  until: number;
  /** Disks: the request's row; else 0. */
  row: number;
}

export interface UrlState {
  view?: Stretch;
  selected?: SlicePlace;
  range?: Stretch;
  /** The finding whose place is marked, by number. */
  finding?: number;
  pinned: string[];
  hidden: string[];
  folded: string[];
  open: string[];
  filter: string;
  tab?: Tab;
  panel?: 'closed';
  /** Pixels of rows above the first one in sight. */
  scroll?: number;
}

export const emptyUrl = (): UrlState => ({ pinned: [], hidden: [], folded: [], open: [], filter: '' });

// What may stand in a hash unescaped keeps it readable: vm1/vcpu/0.
const escape = (text: string): string => encodeURIComponent(text).replace(/%2F/g, '/').replace(/%20/g, '+');
const unescape = (text: string): string => decodeURIComponent(text.replace(/\+/g, '%20'));
const stretchText = (stretch: Stretch): string => `${Math.round(stretch.from)}_${Math.round(stretch.until)}`;

function readStretch(text: string | undefined): Stretch | undefined {
  const match = /^(-?\d{1,16})_(-?\d{1,16})$/.exec(text ?? '');
  if (!match) return undefined;
  const stretch = { from: Number(match[1]), until: Number(match[2]) };
  return stretch.until > stretch.from ? stretch : undefined;
}

function readPlace(text: string | undefined): SlicePlace | undefined {
  const match = /^(.+)@(-?\d{1,16})_(-?\d{1,16})(?:~(\d{1,15}))?$/.exec(text ?? '');
  if (!match) return undefined;
  return { track: match[1], from: Number(match[2]), until: Number(match[3]), row: Number(match[4] ?? 0) };
}

export function toHash(state: UrlState): string {
  const parts: string[] = [];
  if (state.view) parts.push(`view=${stretchText(state.view)}`);
  if (state.selected) {
    const { track, row } = state.selected;
    parts.push(`sel=${escape(track)}@${stretchText(state.selected)}${row ? `~${row}` : ''}`);
  }
  if (state.range) parts.push(`range=${stretchText(state.range)}`);
  if (state.finding !== undefined) parts.push(`finding=${state.finding}`);
  for (const name of ['pinned', 'hidden', 'folded', 'open'] as const) {
    if (state[name].length) parts.push(`${name}=${state[name].map(escape).join(',')}`);
  }
  if (state.filter) parts.push(`filter=${escape(state.filter)}`);
  if (state.tab) parts.push(`tab=${state.tab}`);
  if (state.panel) parts.push(`panel=${state.panel}`);
  if (state.scroll) parts.push(`scroll=${state.scroll}`);
  return parts.join('&');
}

/** Reads what it understands; a hash may come from anywhere. */
export function fromHash(hash: string): UrlState {
  const state = emptyUrl();
  const raw = new Map<string, string>();
  for (const part of hash.replace(/^#/, '').split('&')) {
    const at = part.indexOf('=');
    if (at > 0) raw.set(part.slice(0, at), part.slice(at + 1));
  }
  const text = (name: string): string | undefined => {
    try {
      const value = raw.get(name);
      return value === undefined ? undefined : unescape(value);
    } catch {
      return undefined;
    }
  };
  state.view = readStretch(text('view'));
  state.selected = readPlace(text('sel'));
  state.range = readStretch(text('range'));
  const finding = text('finding');
  if (finding !== undefined && /^\d{1,4}$/.test(finding)) state.finding = Number(finding);
  for (const name of ['pinned', 'hidden', 'folded', 'open'] as const) {
    state[name] = (raw.get(name) ?? '').split(',').flatMap((item) => {
      try {
        return item ? [unescape(item)] : [];
      } catch {
        return [];
      }
    });
  }
  state.filter = text('filter') ?? '';
  const tab = text('tab');
  if (tab === 'findings' || tab === 'selection' || tab === 'range' || tab === 'sql') state.tab = tab;
  if (text('panel') === 'closed') state.panel = 'closed';
  const scroll = text('scroll');
  if (scroll !== undefined && /^\d{1,7}$/.test(scroll)) state.scroll = Number(scroll);
  return state;
}
