// The words of docs/view-api.md, as types. Times are nanoseconds from the run's start.

export type TrackKind = 'cpu' | 'vcpu' | 'task' | 'disk' | 'irq' | 'thread' | 'marks' | 'counter';

export interface Progress {
  switches: number;
  rows: number;
  done: boolean;
  failure: string;
}

export interface Machine {
  name: string;
  kind: string;
  kernel: string;
  accel: string;
  aligned: boolean;
  note: string;
}

export interface Track {
  id: number;
  machine: number;
  kind: TrackKind;
  number: number;
  name: string;
  lanes: number;
  aligned: boolean;
  vcpu: number | null;
}

export interface Run {
  name: string;
  start: string;
  duration_ns: number;
  base_span_ns: number;
  bins: number;
  version: string;
  command: string[];
  damaged: boolean;
  progress: Progress;
  findings_ready: boolean;
  notices: string[];
  machines: Machine[];
  tracks: Track[];
  phases: string[];
}

export interface Category {
  state: string;
  machine: number;
  label: string;
  tid: number;
}

export interface SliceColumns {
  from: number[];
  until: number[];
  category: number[];
  lane?: number[];
  row?: number[];
  request?: number[];
  open: number[];
  phases?: number[][];
}

export interface ShareColumns {
  bin: number[];
  category: number[];
  share: number[];
}

export interface TileJson {
  track: number;
  complete: boolean;
  categories: Category[];
  slices?: SliceColumns;
  shares?: ShareColumns;
  holes: [number, number][];
}

export interface RawEvent {
  time: number;
  machine: number;
  cpu: number;
  system: string;
  name: string;
  tid: number;
  comm: string;
  text: string;
}

export interface HostRequest {
  row: number;
  track: number;
  from: number;
  issued: number;
  until: number;
  bytes: number;
  device: string;
  comm: string;
  tid: number;
}

export interface BlockDetail extends HostRequest {
  machine: number;
  direction: string;
  sector: number;
  request: number;
}

export interface WaitedBehind {
  row: number;
  track: number;
  machine: number;
  comm: string;
  direction: string;
  bytes: number;
  from: number;
  issued: number;
  until: number;
  overlap_ns: number;
}

export interface PhaseSpan {
  name: string;
  from: number;
  until: number;
}

export interface QemuCall {
  thread: number;
  track: number;
  name: string;
  from: number;
  until: number;
}

export interface RequestDetail {
  id: number;
  machine: number;
  track: number;
  device: string;
  disk: string | null;
  direction: string;
  sector: number;
  bytes: number;
  tid: number | null;
  comm: string | null;
  from: number;
  until: number;
  tie: string;
  host_thread: number | null;
  phases: PhaseSpan[];
  host: HostRequest[];
  waited_behind: WaitedBehind[];
  calls: QemuCall[];
  events: RawEvent[];
  more_events: boolean;
}

export type Cell = number | string | null;

export interface RangeTable {
  title: string;
  columns: { name: string; unit: string }[];
  rows: Cell[][];
  more: boolean;
}

export interface SearchHit {
  what: 'task' | 'interrupt' | 'exit' | 'disk' | 'track' | 'finding';
  text: string;
  track: number;
  machine: number;
  count: number;
  first: number;
  last: number;
}

export interface Evidence {
  title: string;
  columns: string[];
  rows: string[][];
  more: boolean;
}

export interface Finding {
  pattern: string;
  title: string;
  severity: string;
  victim: string | null;
  culprit: string | null;
  share: number | null;
  from: number;
  until: number;
  confidence: number;
  impact_ns: number;
  text: string;
  advice: string;
  numbers: { name: string; text: string }[];
  evidence: Evidence[];
  victim_tracks: number[];
  culprit_tracks: number[];
}

export interface Unknown {
  pattern: string;
  machine: string | null;
  reason: string;
  option: string | null;
}

export interface Findings {
  findings: Finding[];
  unknown: Unknown[];
  tried: number;
}

export interface SqlAnswer {
  columns: string[];
  rows: Cell[][];
  more: boolean;
  notices: string[];
}

export interface SqlTable {
  name: string;
  about: string;
  columns: { name: string; type: string; unit: string; about: string }[];
}

export interface ReportJson {
  run: Run;
  findings: Findings;
  requests: Record<string, RequestDetail>;
  from: number;
  until: number;
  tiles: { level: number; index: number; tiles: TileJson[] }[];
}
