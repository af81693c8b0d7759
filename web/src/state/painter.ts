// Draws when something has changed, once per frame of the screen, and moves the view towards where it is going.

import { effect } from '@preact/signals';
import { drawAxis, drawOverview, kAxisHeight, kOverviewHeight } from '../draw/axis';
import { CanvasSurface } from '../draw/canvas';
import { drawFrame } from '../draw/frame';
import { legendOf } from '../draw/legend';
import type { Scene } from '../draw/scene';
import { makeOverview } from '../model/overview';
import { indexesFor } from '../model/tile_cache';
import type { Loader } from './loader';
import { makeAxisScene, makeScene, RowMemory } from './scene';
import type { Store } from './store';

/** Of what is left of a way, so much is gone after that time. */
const kGlideMs = 45;

export class Painter {
  /** What the screen shows now; what the pointer hits is looked up in it. */
  scene: Scene | null = null;

  private readonly memory_ = new RowMemory();
  private rows_: CanvasSurface | null = null;
  private axis_: CanvasSurface | null = null;
  private frame_ = 0;
  private last_ = 0;
  private overviewOf_ = -1;
  private drawn_ = false;

  constructor(
    private readonly store: Store,
    private readonly loader: Loader,
  ) {}

  /** Begins to draw; the answer ends it. */
  attach(rows: HTMLCanvasElement, axis: HTMLCanvasElement): () => void {
    const surface = (canvas: HTMLCanvasElement): CanvasSurface =>
      new CanvasSurface(canvas.getContext('2d', { alpha: false })!, 1);
    this.rows_ = surface(rows);
    this.axis_ = surface(axis);
    const stop = effect(() => {
      this.watch();
      this.schedule();
    });
    return () => {
      stop();
      cancelAnimationFrame(this.frame_);
      this.frame_ = 0;
    };
  }

  /** Reads all that a frame depends on, so that the effect runs again when it changes. */
  private watch(): void {
    const { store } = this;
    for (const one of [
      store.run,
      store.view,
      store.target,
      store.size,
      store.scroll,
      store.layout,
      store.tiles,
      store.theme,
    ])
      void one.value;
    for (const one of [store.selected, store.hover, store.range, store.roles, store.current, store.findings])
      void one.value;
  }

  /** Without waiting for a frame: a printer does not. */
  now(): void {
    cancelAnimationFrame(this.frame_);
    this.tick(performance.now());
  }

  private schedule(): void {
    if (this.frame_ === 0) this.frame_ = requestAnimationFrame((now) => this.tick(now));
  }

  private tick(now: number): void {
    this.frame_ = 0;
    const moving = this.glide(now);
    this.loader.update();
    this.refreshOverview();
    this.draw();
    this.mark();
    if (moving) this.schedule();
    else this.last_ = 0;
  }

  private glide(now: number): boolean {
    const { view, target, size } = this.store;
    const [from, to] = [view.peek(), target.peek()];
    if (from === to) return false;
    const part = 1 - Math.exp(-(this.last_ ? Math.min(now - this.last_, 100) : 16) / kGlideMs);
    this.last_ = now;
    const next = { from: from.from + (to.from - from.from) * part, until: from.until + (to.until - from.until) * part };
    const pixel = (next.until - next.from) / size.peek().width;
    const there = Math.abs(next.from - to.from) < pixel / 4 && Math.abs(next.until - to.until) < pixel / 4;
    view.value = there ? to : next;
    return !there;
  }

  private refreshOverview(): void {
    const { store } = this;
    const run = store.run.peek();
    if (!run || this.overviewOf_ === store.tiles.peek()) return;
    this.overviewOf_ = store.tiles.peek();
    const indexes = indexesFor({ from: 0, until: run.duration_ns }, 1, run.base_span_ns, run.duration_ns).sort(
      (a, b) => a - b,
    );
    const rows = this.loader
      .cpus()
      .map((track) => indexes.flatMap((index) => store.cache.best(track, 1, index, run.base_span_ns).pieces));
    store.overview.value = makeOverview(rows, run.base_span_ns, run.machines.length);
  }

  private draw(): void {
    const scene = makeScene(this.store, this.memory_);
    if (!scene || !this.rows_ || !this.axis_) return;
    this.scene = scene;
    const ratio = window.devicePixelRatio || 1;
    this.rows_.begin(scene.width, scene.height, ratio, scene.theme.background);
    drawFrame(this.rows_, scene);
    const axis = makeAxisScene(this.store);
    this.axis_.begin(scene.width, kOverviewHeight + kAxisHeight, ratio, scene.theme.background);
    drawOverview(this.axis_, axis, 0);
    drawAxis(this.axis_, axis, kOverviewHeight);
    this.drawn_ ||= [...scene.pinned, ...scene.rows].some((row) => row.pieces.length > 0);
  }

  /** Not while all moves: nobody reads then, and it looks at every slice. */
  private tellColours(): void {
    if (!this.scene) return;
    const legend = legendOf(this.scene);
    if (JSON.stringify(legend) !== JSON.stringify(this.store.legend.peek())) this.store.legend.value = legend;
  }

  /** For who measures and tests: what is seen, and whether more is to come. */
  private mark(): void {
    const { dataset } = document.documentElement;
    const { store } = this;
    const run = store.run.peek();
    const view = store.view.peek();
    dataset.view = `${view.from}_${view.until}`;
    const still = view === store.target.peek() && this.loader.settled;
    if (still) this.tellColours();
    const all =
      still && run?.progress.done && (store.findings.peek().is === 'there' || store.findings.peek().is === 'failed');
    dataset.still = still ? '1' : '0';
    dataset.selected = String(store.selected.peek()?.slice.row ?? '');
    dataset.frames = String(Number(dataset.frames ?? 0) + 1);
    if (this.drawn_ && !dataset.firstPicture) dataset.firstPicture = String(performance.now());
    dataset.ready = all ? 'all' : this.drawn_ ? 'first' : 'no';
  }
}
