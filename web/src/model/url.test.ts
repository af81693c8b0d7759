import { describe, expect, it } from 'vitest';
import { emptyUrl, fromHash, toHash, type UrlState } from './url';

const full: UrlState = {
  view: { from: -5, until: 8_999_999_999_999_999 },
  selected: { track: 'vm1/disk/266338304', from: 12, until: 99, row: 7 },
  range: { from: 1, until: 2 },
  finding: 3,
  pinned: ['vm1/vcpu/0', 'a,b&c=d#e%f/cpu/1'],
  hidden: ['höst/cpu/0'],
  folded: ['vm2'],
  open: ['host/irq'],
  filter: 'vm1 + disk & more',
  tab: 'range',
};

describe('the hash', () => {
  it('brings everything back', () => {
    expect(fromHash(`#${toHash(full)}`)).toEqual(full);
    expect(fromHash(toHash(emptyUrl()))).toEqual(emptyUrl());
  });
  it('is readable', () => {
    expect(toHash({ ...emptyUrl(), view: { from: 0.4, until: 1e9 }, pinned: ['vm1/vcpu/0'] })).toBe(
      'view=0_1000000000&pinned=vm1/vcpu/0',
    );
  });
  it.each([
    'view=1',
    'view=9_1',
    'view=1_99999999999999999999',
    'sel=%',
    'sel=a@b_c',
    'pinned=%E0%A4',
    'tab=passwords',
    'finding=-1',
    'finding=1e9',
    '%',
    '&&==&',
    'filter=%',
  ])('that is %s does no harm', (hash) => {
    const state = fromHash(hash);
    expect(state.view).toBeUndefined();
    expect(state.selected).toBeUndefined();
    expect(state.tab).toBeUndefined();
    expect(state.finding).toBeUndefined();
    expect(state.pinned).toEqual([]);
  });
});
