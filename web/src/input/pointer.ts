// The pointer on the rows: drag moves, shift and drag selects a range, a click selects a slice, the wheel as in Perfetto.

import { laneAt, type PlacedRow, type Scene, type Spot } from '../draw/scene';
import { span, toTime } from '../model/axis';
import { binAt, dragged, holeAt, sliceAt } from '../model/hit';
import * as actions from '../state/actions';
import type { Painter } from '../state/painter';
import type { Hover, Store } from '../state/store';

/** Nearer than that a press and its release are a click. */
const kClickPixels = 4;
/** So many pixels beside a slice still hit it. */
const kReachPixels = 3;

export function rowUnder(scene: Scene, y: number): PlacedRow | undefined {
  const within = (row: PlacedRow): boolean => y >= row.y && y < row.y + row.item.height;
  return scene.pinned.find(within) ?? (y >= scene.pinnedHeight ? scene.rows.find(within) : undefined);
}

export function hoverAt(scene: Scene, x: number, y: number): Hover | null {
  const row = rowUnder(scene, y);
  if (!row) return null;
  const time = toTime(x, scene.view, scene.width);
  const { track } = row.item;
  const reach = (span(scene.view) / scene.width) * kReachPixels;
  const found = sliceAt(row.slices, time, reach, laneAt(row, y));
  const spot: Spot | null = found ? { track: track.id, slice: found.slice } : null;
  return {
    x,
    y,
    time,
    track,
    spot,
    bin: spot ? null : (binAt(row.pieces, time) ?? null),
    hole: holeAt(row.pieces, time) !== undefined,
  };
}

/** Listens on the canvas; `ranging`: every drag selects a range (the time axis). The answer ends it. */
export function listen(element: HTMLElement, store: Store, painter: Painter, ranging = false): () => void {
  let press: {
    x: number;
    y: number;
    time: number;
    range: boolean;
    moved: boolean;
    from: number;
    until: number;
    scroll: number;
  } | null = null;
  const place = (event: PointerEvent | WheelEvent): { x: number; y: number } => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const timeAt = (x: number): number => toTime(x, store.view.peek(), store.size.peek().width);

  const down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const at = place(event);
    const { from, until } = store.view.peek();
    press = {
      ...at,
      time: timeAt(at.x),
      range: ranging || event.shiftKey,
      moved: false,
      from,
      until,
      scroll: store.scroll.peek(),
    };
    element.setPointerCapture(event.pointerId);
    store.hover.value = null;
  };
  const move = (event: PointerEvent): void => {
    const at = place(event);
    if (!press) {
      if (!ranging && painter.scene) store.hover.value = hoverAt(painter.scene, at.x, at.y);
      return;
    }
    if (!press.moved && Math.hypot(at.x - press.x, at.y - press.y) < kClickPixels) return;
    press.moved = true;
    if (press.range) {
      actions.setRange(store, dragged(press.time, timeAt(at.x)), false);
      return;
    }
    const by = ((at.x - press.x) / store.size.peek().width) * (press.until - press.from);
    actions.go(store, { from: press.from - by, until: press.until - by }, false);
    actions.scrollTo(store, press.scroll - (at.y - press.y));
  };
  const up = (event: PointerEvent): void => {
    const old = press;
    press = null;
    if (!old) return;
    const at = place(event);
    if (old.moved && old.range) actions.setRange(store, dragged(old.time, timeAt(at.x)));
    if (!old.moved && ranging) actions.setRange(store, null);
    if (!old.moved && !ranging) click(store, painter, at.x, at.y);
  };
  const cancel = (): void => {
    press = null;
  };
  const leave = (): void => {
    store.hover.value = null;
  };
  const wheel = (event: WheelEvent): void => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
    const { width } = store.size.peek();
    if (event.ctrlKey || event.metaKey)
      actions.zoom(store, Math.exp(Math.max(-200, Math.min(200, dy)) / 300), timeAt(place(event).x));
    else if (event.shiftKey || Math.abs(dx) > Math.abs(dy)) actions.pan(store, (dx || dy) / width);
    else actions.scrollTo(store, store.scroll.peek() + dy);
  };
  const listeners: [string, EventListener, AddEventListenerOptions?][] = [
    ['pointerdown', down as EventListener],
    ['pointermove', move as EventListener],
    ['pointerup', up as EventListener],
    ['pointercancel', cancel],
    ['pointerleave', leave],
    ['wheel', wheel as EventListener, { passive: false }],
  ];
  for (const [name, handler, options] of listeners) element.addEventListener(name, handler, options);
  return () => listeners.forEach(([name, handler]) => element.removeEventListener(name, handler));
}

function click(store: Store, painter: Painter, x: number, y: number): void {
  const hit = painter.scene && hoverAt(painter.scene, x, y);
  if (!hit) return actions.select(store, null);
  store.current.value = hit.track.id;
  if (hit.spot) return actions.select(store, hit.spot);
  // Only shares are drawn here: which slice it is, a deeper tile tells.
  const time = Math.round(hit.time);
  if (hit.bin?.shares.length)
    void actions.selectAt(store, { track: hit.track.id, from: time, until: time + 1, row: 0 });
  else actions.select(store, null);
}
