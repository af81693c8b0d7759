// The time axis, and above it a strip of the whole run.

import type { Finding } from '../api/types';
import { ticks, toX, type Stretch } from '../model/axis';
import type { Overview } from '../model/overview';
import type { Surface } from './surface';
import { machineColour, type Theme } from './theme';

export const kOverviewHeight = 34;
export const kAxisHeight = 26;

export interface AxisScene {
  theme: Theme;
  view: Stretch;
  width: number;
  duration: number;
  range: Stretch | null;
  overview: Overview;
  findings: Finding[];
}

export function drawAxis(surface: Surface, scene: AxisScene, y: number): void {
  const { theme, view, width } = scene;
  const list = ticks(view, width);
  surface.rect(0, y, width, kAxisHeight, theme.raised);
  for (const tick of list.ticks) {
    const at = toX(tick.time, view, width);
    surface.line(at, y + kAxisHeight - (tick.label ? 9 : 4), at, y + kAxisHeight, theme.muted, 1);
    const style = { size: 11, fill: theme.text };
    if (!tick.label) continue;
    const half = surface.measure(tick.label, style) / 2;
    if (at > half && at < width - half) surface.text(at, y + 9, tick.label, { ...style, align: 'center' });
  }
  if (scene.range) {
    const left = Math.max(0, toX(scene.range.from, view, width));
    const right = Math.min(width, toX(scene.range.until, view, width));
    if (right > left) surface.rect(left, y + kAxisHeight - 4, right - left, 4, theme.accent);
  }
  surface.line(0, y + kAxisHeight - 0.5, width, y + kAxisHeight - 0.5, theme.line, 1);
}

/** Who had the host's CPUs over the whole run, where findings are, and which part of it is seen. */
export function drawOverview(surface: Surface, scene: AxisScene, y: number): void {
  const { theme, view, width, duration, overview } = scene;
  const whole = { from: 0, until: Math.max(duration, 1) };
  surface.rect(0, y, width, kOverviewHeight, theme.background);
  const high = kOverviewHeight - 8;
  for (let column = 0; column < overview.columns; column++) {
    const left = toX(overview.from + (column * overview.span) / overview.columns, whole, width);
    const right = toX(overview.from + ((column + 1) * overview.span) / overview.columns, whole, width);
    if (left > width) break;
    let bottom = y + high;
    overview.machines.forEach((shares, machine) => {
      const part = shares[column] * (high - 2);
      if (part > 0.2) surface.rect(left, bottom - part, right - left, part, machineColour(theme, machine));
      bottom -= part;
    });
  }
  // The gravest come first, and are drawn last.
  for (const finding of [...scene.findings].reverse()) {
    const left = toX(finding.from, whole, width);
    const right = toX(finding.until, whole, width);
    const colour =
      finding.severity === 'critical' ? theme.victim : finding.severity === 'warning' ? theme.preempted : theme.muted;
    surface.rect(left, y + high + 2, Math.max(right - left, 3), 4, colour);
  }
  const left = Math.max(0, toX(view.from, whole, width));
  const right = Math.min(width, toX(view.until, whole, width));
  surface.rect(0, y, left, high, `${theme.background}b0`);
  surface.rect(right, y, width - right, high, `${theme.background}b0`);
  surface.frame(left, y, Math.max(right - left, 4), high, theme.accent, 1.5);
  surface.line(0, y + kOverviewHeight - 0.5, width, y + kOverviewHeight - 0.5, theme.line, 1);
}
