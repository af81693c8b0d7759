import { describe, expect, it } from 'vitest';
import { inSight, layOut, noChoices, revealed, type Choices, type Item } from './layout';
import { tinyRun, track } from './testing';

const names = (items: Item[]): string[] => items.map((item) => item.key);
const choose = (more: Partial<Choices>): Choices => ({ ...noChoices(), ...more });

describe('the rows', () => {
  it('stand by machine and section, without gaps', () => {
    const { items, height } = layOut(tinyRun(), noChoices());
    expect(names(items)).toEqual([
      'host',
      'host/cpu',
      'host/cpu/0',
      'host/disk',
      'host/disk/8388608',
      'vm1',
      'vm1/vcpu',
      'vm1/vcpu/0',
      'vm1/task/0',
      'vm1/disk',
      'vm1/disk/266338304',
      'vm2',
      'vm2/vcpu',
      'vm2/vcpu/0',
      'vm2/thread',
      'vm2/thread/77',
    ]);
    let y = 0;
    for (const item of items) {
      expect(item.y).toBe(y);
      y += item.height;
    }
    expect(height).toBe(y);
  });
  it('fold by machine and by section', () => {
    const { items } = layOut(
      tinyRun(),
      choose({
        folded: new Map([
          ['vm1', true],
          ['host/disk', true],
        ]),
      }),
    );
    expect(names(items)).toEqual([
      'host',
      'host/cpu',
      'host/cpu/0',
      'host/disk',
      'vm1',
      'vm2',
      'vm2/vcpu',
      'vm2/vcpu/0',
      'vm2/thread',
      'vm2/thread/77',
    ]);
  });
  it('are folded from the start where there are many interrupts, and open when somebody says so', () => {
    const many = tinyRun(Array.from({ length: 9 }, (_, i) => track(i, 0, 'irq', i, `CPU ${i}`)));
    expect(names(layOut(many, noChoices()).items)).toEqual(['host', 'host/irq', 'vm1', 'vm2']);
    expect(layOut(many, choose({ folded: new Map([['host/irq', false]]) })).items).toHaveLength(13);
    expect(layOut(many, choose({ filter: 'irq' })).items).toHaveLength(11);
  });
  it('stand above all when they are pinned, once, in the order of pinning', () => {
    const { pinned, items, pinnedHeight } = layOut(
      tinyRun(),
      choose({ pinned: ['vm2/vcpu/0', 'host/cpu/0', 'gone/cpu/1'] }),
    );
    expect(names(pinned)).toEqual(['vm2/vcpu/0', 'host/cpu/0']);
    expect(names(items)).not.toContain('host/cpu/0');
    expect(names(items)).not.toContain('host/cpu');
    expect(pinnedHeight).toBe(pinned[0].height + pinned[1].height);
  });
  it('are hidden and counted', () => {
    const layout = layOut(tinyRun(), choose({ hidden: new Set(['host/cpu/0', 'nobody/cpu/3']) }));
    expect(names(layout.items)).not.toContain('host/cpu/0');
    expect(layout.hidden).toBe(1);
  });
  it('are filtered by all words, in names of machine, kind and track', () => {
    expect(names(layOut(tinyRun(), choose({ filter: 'VM1 disk' })).items)).toEqual([
      'vm1',
      'vm1/disk',
      'vm1/disk/266338304',
    ]);
    expect(layOut(tinyRun(), choose({ filter: 'nothing' })).items).toEqual([]);
  });
});

describe('what is in sight', () => {
  it('is found from any height', () => {
    const { items, height } = layOut(tinyRun(), noChoices());
    for (let top = -50; top < height + 50; top += 7) {
      const right = items.filter((item) => item.y + item.height > top && item.y < top + 100);
      expect(inSight(items, top, 100)).toEqual(right);
    }
  });
});

describe('revealing', () => {
  it('undoes whatever keeps a track from the screen, and no more', () => {
    const run = tinyRun();
    const before = choose({
      filter: 'host',
      hidden: new Set(['vm1/disk/266338304', 'host/cpu/0']),
      folded: new Map([
        ['vm1', true],
        ['vm1/disk', true],
        ['vm2', true],
      ]),
    });
    const after = revealed(run, run.tracks[4], before);
    expect(names(layOut(run, after).items)).toContain('vm1/disk/266338304');
    expect(after.hidden.has('host/cpu/0')).toBe(true);
    expect(after.folded.get('vm2')).toBe(true);
    expect(revealed(run, run.tracks[0], choose({ filter: 'host' })).filter).toBe('host');
  });
});
