import { describe, expect, it } from 'vitest';
import type { Category } from '../api/types';
import { headline, inside, meaning, phaseMeaning, statesOf } from './states';

const machines = [{ name: 'host' }, { name: 'vm1' }, { name: 'vm2' }];
const category = (state: string, machine = -1, label = '', tid = -1): Category => ({ state, machine, label, tid });

describe('small texts', () => {
  it('explain every state of every kind', () => {
    for (const kind of ['cpu', 'vcpu', 'task', 'disk', 'irq', 'thread', 'marks', 'counter'] as const) {
      for (const state of statesOf(kind)) expect(meaning(kind, state).text.length).toBeGreaterThan(10);
    }
    expect(meaning('vcpu', 'preempted').text).toBe('ready to run, and another thread has the CPU');
  });
  it('do not fail at words that are not known yet', () => {
    expect(meaning('vcpu', 'dreaming')).toEqual({ name: 'dreaming', text: '' });
    expect(phaseMeaning('new_phase').name).toBe('new_phase');
  });
});

describe('a headline', () => {
  it('says who is ahead of a vCPU', () => {
    expect(headline('vcpu', category('preempted', 2, 'qemu', 47), machines)).toBe('preempted by qemu 47 (vm2)');
    expect(headline('vcpu', category('preempted', -1, 'swapper', 0), machines)).toBe(
      'preempted: the CPU was idle, waking up',
    );
    expect(headline('vcpu', category('preempted'), machines)).toBe('preempted');
  });
  it('says whose a slice is', () => {
    expect(headline('cpu', category('vcpu', 1, 'CPU 0/KVM', 9), machines)).toBe('vm1 vCPU: CPU 0/KVM 9');
    expect(headline('disk', category('write', 2, 'dd', 5), machines)).toBe('write for vm2: dd 5');
    expect(headline('vcpu', category('exit', 1, 'HLT'), machines)).toBe('exit: HLT');
    expect(headline('task', category('idle', -1, 'swapper', 0), machines)).toBe('idle');
  });
  it('is there for machines that are not', () =>
    expect(headline('cpu', category('vcpu', 9, 'x', 1), machines)).toContain('x 1'));
});

it('inside a slice stands what its colour does not say', () => {
  expect(inside('vcpu', category('preempted', 2, 'qemu', 47), machines)).toBe('by qemu');
  expect(inside('cpu', category('vcpu', 1, 'CPU 0/KVM', 9), machines)).toBe('vm1 CPU 0/KVM');
  expect(inside('cpu', category('idle'), machines)).toBe('');
});
