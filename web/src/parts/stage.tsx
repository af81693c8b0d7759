// The timeline: the axis with the strip of the whole run, the heads of the rows, the canvas, the scroll bar.

import { useEffect, useRef } from 'preact/hooks';
import { effect } from '@preact/signals';
import { kAxisHeight, kOverviewHeight } from '../draw/axis';
import { listen } from '../input/pointer';
import { listenOverview } from '../input/overview_pointer';
import { ticks } from '../model/axis';
import { moment } from '../model/time';
import { scrollTo } from '../state/actions';
import { levelFor } from '../model/tile_cache';
import { deepestLevel } from '../state/report_tiles';
import { useParts } from './context';
import { Heads } from './heads';
import { Legend } from './legend';
import { Tooltip } from './tooltip';

function Corner() {
  const { store } = useParts();
  const view = store.view.value;
  const { base } = ticks(view, store.size.value.width);
  return (
    <div class="corner">
      <div class="muted">Whole run</div>
      <div class="base">{base || moment(view.from, (view.until - view.from) / 100)}</div>
    </div>
  );
}

function ScrollBar() {
  const { store } = useParts();
  const bar = useRef<HTMLDivElement>(null);
  const { height, pinnedHeight } = store.layout.value;
  useEffect(
    () =>
      effect(() => {
        const element = bar.current;
        if (element && Math.abs(element.scrollTop - store.scroll.value) > 1) element.scrollTop = store.scroll.value;
      }),
    [store],
  );
  return (
    <div
      class="scroll"
      ref={bar}
      tabIndex={-1}
      style={{ top: `${pinnedHeight}px` }}
      onScroll={(event) => scrollTo(store, event.currentTarget.scrollTop)}
    >
      <div style={{ height: `${height}px` }} />
    </div>
  );
}

function Hint() {
  const { store, report } = useParts();
  const run = store.run.value;
  if (!run) return <div class="hint">opening the run …</div>;
  const level = levelFor(store.view.value, store.size.value.width, run.base_span_ns, run.bins);
  if (report && level > deepestLevel(report)) return <div class="hint">No finer detail was put into this report.</div>;
  return (
    <div class="hint">
      <kbd>W</kbd> <kbd>A</kbd> <kbd>S</kbd> <kbd>D</kbd> move <kbd>?</kbd> keys
    </div>
  );
}

export function Stage() {
  const { store, painter } = useParts();
  const rows = useRef<HTMLCanvasElement>(null);
  const axis = useRef<HTMLCanvasElement>(null);
  const heads = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const measure = (): void => {
      const { clientWidth, clientHeight } = box.current!;
      const size = { width: Math.max(clientWidth, 50), height: Math.max(clientHeight, 50) };
      if (size.width !== store.size.peek().width || size.height !== store.size.peek().height) store.size.value = size;
      scrollTo(store, store.scroll.peek());
    };
    const observer = new ResizeObserver(measure);
    observer.observe(box.current!);
    measure();
    const stops = [
      painter.attach(rows.current!, axis.current!),
      listen(rows.current!, store, painter),
      listenOverview(axis.current!, store, painter),
      (): void => observer.disconnect(),
    ];
    const wheel = (event: WheelEvent): void => {
      if (event.ctrlKey) return;
      event.preventDefault();
      scrollTo(store, store.scroll.peek() + event.deltaY * (event.deltaMode === 1 ? 16 : 1));
    };
    heads.current!.addEventListener('wheel', wheel, { passive: false });
    return () => stops.forEach((stop) => stop());
  }, [store, painter]);
  return (
    <section class="stage" aria-label="Timeline">
      <Corner />
      <div class="axis" style={{ height: `${kOverviewHeight + kAxisHeight}px` }}>
        <canvas ref={axis} role="img" aria-label="Time axis; drag on it to select a range" />
      </div>
      <div class="heads-box" ref={heads}>
        <Heads />
      </div>
      <div class="rows" ref={box}>
        <canvas
          ref={rows}
          id="rows"
          tabIndex={0}
          role="application"
          aria-label="Timeline of the rows. Arrows move, W and S zoom, Enter selects; ? lists all keys."
        />
        <ScrollBar />
        <Tooltip />
      </div>
      <Hint />
      <Legend />
    </section>
  );
}
