// The pointer above the rows: on the strip of the whole run it moves the window, on the axis below it selects a range.

import { kOverviewHeight } from '../draw/axis';
import { span } from '../model/axis';
import { go } from '../state/actions';
import type { Painter } from '../state/painter';
import type { Store } from '../state/store';
import { listen } from './pointer';

export function listenOverview(canvas: HTMLCanvasElement, store: Store, painter: Painter): () => void {
  let dragging = false;
  const onStrip = (event: PointerEvent): boolean =>
    event.clientY - canvas.getBoundingClientRect().top < kOverviewHeight;
  const move = (event: PointerEvent): void => {
    const box = canvas.getBoundingClientRect();
    const middle = ((event.clientX - box.left) / box.width) * store.duration;
    const half = span(store.target.peek()) / 2;
    go(store, { from: middle - half, until: middle + half }, false);
  };
  // Ahead of the axis' own listener, which is not to hear what the strip takes.
  const down = (event: PointerEvent): void => {
    if (event.button !== 0 || !onStrip(event)) return;
    event.stopImmediatePropagation();
    dragging = true;
    canvas.setPointerCapture(event.pointerId);
    move(event);
  };
  const drag = (event: PointerEvent): void => {
    canvas.style.cursor = onStrip(event) ? 'pointer' : 'col-resize';
    if (!dragging) return;
    event.stopImmediatePropagation();
    move(event);
  };
  const up = (event: PointerEvent): void => {
    if (!dragging) return;
    event.stopImmediatePropagation();
    dragging = false;
  };
  canvas.addEventListener('pointerdown', down);
  canvas.addEventListener('pointermove', drag);
  canvas.addEventListener('pointerup', up);
  canvas.addEventListener('pointercancel', up);
  const stop = listen(canvas, store, painter, true);
  return () => {
    stop();
    canvas.removeEventListener('pointerdown', down);
    canvas.removeEventListener('pointermove', drag);
    canvas.removeEventListener('pointerup', up);
    canvas.removeEventListener('pointercancel', up);
  };
}
