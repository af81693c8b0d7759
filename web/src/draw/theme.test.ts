import { describe, expect, it } from 'vitest';
import { contrast, distance, type Sight } from './colour';
import { colourOf, inkOn, kDark, kLight, machineColour, type Theme } from './theme';

const kSights: Sight[] = ['full', 'protan', 'deutan', 'tritan'];
/** Plain at a glance side by side; just noticeable is 2.3. */
const kPlain = 9;

function closest(colours: Record<string, string>, sight: Sight): { pair: string; apart: number } {
  let worst = { pair: '', apart: Infinity };
  const names = Object.keys(colours);
  names.forEach((a, i) =>
    names.slice(i + 1).forEach((b) => {
      const apart = distance(colours[a], colours[b], sight);
      if (apart < worst.apart) worst = { pair: `${a} and ${b} (${sight})`, apart };
    }),
  );
  return worst;
}

const state = (theme: Theme, name: string, machine: number): string =>
  colourOf(theme, 'vcpu', machine, { state: name, machine: -1, label: '', tid: -1 });

describe.each([kLight, kDark])('the $name theme', (theme) => {
  describe.each(kSights)('seen by %s sight', (sight) => {
    it('tells the host and the first five guests apart', () => {
      const colours = Object.fromEntries([0, 1, 2, 3, 4, 5].map((i) => [`machine ${i}`, machineColour(theme, i)]));
      const { pair, apart } = closest(colours, sight);
      expect(apart, pair).toBeGreaterThanOrEqual(kPlain);
    });
    it.each([1, 2, 3, 4, 5])('tells the states of vCPUs of guest %d apart, and from the background', (machine) => {
      const names = ['guest', 'exit', 'userspace', 'preempted', 'halted', 'blocked'];
      const colours = {
        ...Object.fromEntries(names.map((name) => [name, state(theme, name, machine)])),
        background: theme.background,
      };
      const { pair, apart } = closest(colours, sight);
      expect(apart, pair).toBeGreaterThanOrEqual(kPlain);
    });
    it('tells phases apart that follow each other', () => {
      const ways = [
        ['guest_queue', 'to_qemu', 'qemu_to_host', 'host_queue', 'device', 'to_guest', 'guest_completion'],
        ['guest_queue', 'to_host', 'host_queue', 'device', 'return'],
        ['guest_queue', 'to_qemu', 'qemu_call', 'to_guest', 'guest_completion'],
        ['guest_queue', 'unattributed'],
        // With QEMU's probe pack.
        ['guest_queue', 'virtqueue', 'qemu_block', 'qemu_to_host', 'host_queue', 'device', 'qemu_completion'],
        ['qemu_completion', 'qemu_notify', 'interrupt', 'guest_completion'],
        ['virtqueue', 'to_host', 'host_queue'],
        ['virtqueue', 'qemu_block', 'qemu_call', 'qemu_completion', 'return'],
        ['virtqueue', 'qemu_request', 'qemu_notify', 'return'],
        ['qemu_request', 'to_guest'],
        ['qemu_completion', 'to_guest'],
        ['virtqueue', 'unattributed'],
      ];
      for (const way of ways) {
        for (let i = 1; i < way.length; i++) {
          const apart = distance(theme.phases[way[i - 1]], theme.phases[way[i]], sight);
          expect(apart, `${way[i - 1]} and ${way[i]}`).toBeGreaterThanOrEqual(kPlain);
        }
      }
    });
  });

  it('can be read: text 4.5 to 1, what is no text 3 to 1', () => {
    for (const ground of [theme.background, theme.raised]) {
      for (const ink of [theme.text, theme.muted, theme.accent, theme.victim, theme.culprit])
        expect(contrast(ink, ground), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
    for (const mark of [theme.loss, theme.unaligned, theme.preempted])
      expect(contrast(mark, theme.background), mark).toBeGreaterThanOrEqual(3);
    expect(contrast(theme.accent, theme.background)).toBeGreaterThanOrEqual(4.5);
  });
  it('has letters that can be read on every fill', () => {
    const fills = [
      ...theme.machines,
      theme.host,
      theme.exit,
      theme.userspace,
      theme.preempted,
      theme.blocked,
      ...Object.values(theme.phases),
    ];
    for (const fill of fills) expect(contrast(inkOn(fill), fill), fill).toBeGreaterThanOrEqual(4.5);
  });
});

it('unknown states and machines beyond the palette have colours too', () => {
  expect(colourOf(kLight, 'cpu', 0, { state: 'new', machine: 40, label: '', tid: 1 })).toMatch(/^#[0-9a-f]{6}$/);
  expect(machineColour(kLight, 9)).toBe(kLight.machines[0]);
});
