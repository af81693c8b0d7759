// What each state and phase means, in words for people. docs/commands/vcpus.md and io.md tell the same at length.

import type { Category, TrackKind } from '../api/types';

export interface Meaning {
  name: string;
  text: string;
}

const kVcpu: Record<string, Meaning> = {
  guest: { name: 'guest code', text: 'the vCPU runs its guest' },
  exit: { name: 'exit', text: 'the vCPU has left its guest, and KVM handles why' },
  userspace: { name: 'in QEMU', text: 'the vCPU has left its guest, and QEMU handles why' },
  running: { name: 'running', text: 'it has a CPU; guest code and QEMU’s own cannot be told apart here' },
  preempted: { name: 'preempted', text: 'ready to run, and another thread has the CPU' },
  halted: { name: 'halted', text: 'asleep, since the guest’s CPU has nothing to do' },
  blocked: {
    name: 'blocked',
    text: 'asleep for another reason than an idle guest: a lock of QEMU’s, a page read from disk',
  },
};

const kThread: Record<string, Meaning> = {
  running: { name: 'running', text: 'the thread has a CPU' },
  preempted: kVcpu.preempted,
  blocked: { name: 'asleep', text: 'the thread waits for something to do, or for something to end' },
};

const kCpu: Record<string, Meaning> = {
  vcpu: { name: 'vCPU', text: 'a vCPU of this guest has the CPU' },
  qemu: { name: 'QEMU', text: 'another thread of this guest’s QEMU, or a vhost worker, has the CPU' },
  host: { name: 'host', text: 'a task of the host’s own has the CPU' },
  idle: { name: 'idle', text: 'the CPU has nothing to do' },
};

const kTask: Record<string, Meaning> = {
  task: {
    name: 'task',
    text: 'the guest’s scheduler has given its CPU to this task; whether the vCPU really runs is in the row above',
  },
  idle: { name: 'idle', text: 'the guest’s CPU has nothing to do' },
};

const kIrq: Record<string, Meaning> = {
  irq: { name: 'interrupt', text: 'a driver’s handler runs' },
  softirq: { name: 'deferred work', text: 'work that an interrupt has put off (softirq) runs' },
};

const kMarks: Record<string, Meaning> = {
  slice: { name: 'slice', text: 'the program says that it did this, from a mark to another' },
  instant: { name: 'mark', text: 'the program says that this happened here' },
};

const kCounter: Record<string, Meaning> = {
  value: { name: 'value', text: 'the program’s counter has this value, until it says another' },
};

const kDisk: Record<string, Meaning> = {
  read: { name: 'read', text: 'a read request, from its queueing to its completion' },
  write: { name: 'write', text: 'a write request, from its queueing to its completion' },
  flush: { name: 'flush', text: 'a request to make earlier writes durable' },
  discard: { name: 'discard', text: 'a request that gives up sectors' },
  other: { name: 'request', text: 'a request that moves no data' },
};

const kByKind: Record<TrackKind, Record<string, Meaning>> = {
  cpu: kCpu,
  vcpu: kVcpu,
  task: kTask,
  disk: kDisk,
  irq: kIrq,
  thread: kThread,
  marks: kMarks,
  counter: kCounter,
};

export const meaning = (kind: TrackKind, state: string): Meaning => kByKind[kind][state] ?? { name: state, text: '' };
export const statesOf = (kind: TrackKind): string[] => Object.keys(kByKind[kind]);

const kPhases: Record<string, Meaning> = {
  guest_queue: { name: 'guest queue', text: 'in the guest’s queue, before its driver takes it' },
  to_qemu: { name: 'to QEMU', text: 'from the guest’s driver until QEMU hands it to the host’s kernel' },
  virtqueue: { name: 'virtqueue', text: 'from the guest’s driver until QEMU’s block layer gets it' },
  qemu_block: { name: 'QEMU’s block layer', text: 'in QEMU’s block layer, until it hands it to the host’s kernel' },
  qemu_to_host: { name: 'into the host', text: 'from QEMU’s system call until the host queues it' },
  to_host: {
    name: 'to the host',
    text: 'from the guest’s driver, or QEMU’s block layer, until the host queues it; the system call is not known',
  },
  host_queue: { name: 'host queue', text: 'in the host’s queue, before its device gets it' },
  device: { name: 'device', text: 'with the host’s device' },
  qemu_call: { name: 'QEMU’s call', text: 'in QEMU’s system call, which needed no request of the host’s' },
  qemu_request: {
    name: 'QEMU’s request',
    text: 'from QEMU’s block layer until QEMU gives it back; what served it in between is not known',
  },
  qemu_completion: { name: 'QEMU’s completion', text: 'done on the host, until QEMU gives it back into the virtqueue' },
  qemu_notify: { name: 'QEMU’s notification', text: 'from its giving back until QEMU notifies the guest' },
  interrupt: { name: 'interrupt', text: 'from QEMU’s notification until the interrupt comes in the guest' },
  to_guest: { name: 'to the guest', text: 'done on the host, until the interrupt comes in the guest' },
  guest_completion: { name: 'guest completion', text: 'from that interrupt until the guest has completed it' },
  return: { name: 'return', text: 'done on the host, until the guest has completed it' },
  unattributed: { name: 'unattributed', text: 'nobody knows: no request of the host’s is tied to it' },
  queued: { name: 'queued', text: 'in the queue, before the device gets it' },
  with_device: { name: 'with the device', text: 'the device has it' },
};

export const phaseMeaning = (name: string): Meaning => kPhases[name] ?? { name, text: '' };

/** One line of what a slice is: "preempted by qemu 4711 (vm2)". */
export function headline(kind: TrackKind, category: Category, machines: { name: string }[]): string {
  const { name } = meaning(kind, category.state);
  const who = category.tid > 0 ? `${category.label} ${category.tid}` : category.label;
  const owner = category.machine >= 0 ? (machines[category.machine]?.name ?? '') : '';
  switch (category.state) {
    case 'preempted':
      if (category.tid === 0) return 'preempted: the CPU was idle, waking up';
      return who ? `preempted by ${who}${owner ? ` (${owner})` : ''}` : 'preempted';
    case 'exit':
      return category.label ? `exit: ${category.label}` : name;
    case 'vcpu':
    case 'qemu':
      return `${owner} ${name}${who ? `: ${who}` : ''}`;
    case 'slice':
    case 'instant':
      return category.label || `a ${name} without a name`;
    case 'value':
      return category.label || 'many values';
    default:
      if (kind === 'disk') return `${name}${owner ? ` for ${owner}` : ''}${who ? `: ${who}` : ''}`;
      return who && category.state !== 'idle' && !(kind === 'thread' || kind === 'vcpu') ? who : name;
  }
}

/** What stands inside a slice on the screen. */
export function inside(kind: TrackKind, category: Category, machines: { name: string }[]): string {
  switch (category.state) {
    case 'preempted':
      return category.tid === 0 ? '' : category.label ? `by ${category.label}` : '';
    case 'idle':
    case 'halted':
    case 'blocked':
      return '';
    case 'vcpu':
    case 'qemu':
      return `${machines[category.machine]?.name ?? ''} ${category.label}`.trim();
    case 'guest':
    case 'running':
    case 'userspace':
      return meaning(kind, category.state).name;
    default:
      return category.label;
  }
}
