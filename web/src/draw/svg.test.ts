import { describe, expect, it } from 'vitest';
import { makeTile } from '../model/tile';
import { kBase, shareTile } from '../model/testing';
import { SvgSurface, xml } from './svg';
import { fitted } from './surface';

const surface = (): SvgSurface => new SvgSurface(200, 100, (text, style) => text.length * style.size * 0.6);

describe('a drawing', () => {
  it('holds what a guest wrote as text', () => {
    const svg = surface();
    svg.text(1, 2, '<img src=x onerror=alert(1)> & "\u0000\ud800', { size: 10, fill: '#000000' });
    const text = svg.toString();
    expect(text).toContain('&lt;img src=x onerror=alert(1)&gt; &amp; &quot;\ufffd\ufffd</text>');
    expect(text).not.toContain('<img');
  });
  it('keeps letters beyond 16 bits', () => expect(xml('\u{1f600}a')).toBe('\u{1f600}a'));
  it('writes colours that see through in a way that all programs know', () => {
    const svg = surface();
    svg.rect(0, 0, 10, 10, '#11223380');
    expect(svg.toString()).toContain('fill="#112233" fill-opacity="0.5"');
  });
  it('defines a pattern once and uses it often', () => {
    const svg = surface();
    for (const x of [0, 20]) svg.hatch(x, 0, 10, 10, '#ff0000', 'loss');
    expect(svg.toString().match(/<pattern /g)).toHaveLength(1);
    expect(svg.toString().match(/url\(#d0\)/g)).toHaveLength(2);
  });
  it('draws bars as one path for each colour', () => {
    const svg = surface();
    const { bars } = makeTile(
      shareTile(0, [
        [0, 'guest', 0.5],
        [0, 'halted', 0.5],
        [9, 'guest', 1],
      ]),
      0,
      0,
      kBase,
      256,
    );
    svg.bars(bars!, 0, 0, 200, 20, 1, ['#0000ff', '#cccccc']);
    expect(svg.toString().match(/<path /g)).toHaveLength(2);
  });
  it('closes what it opens', () => {
    const svg = surface();
    svg.clip(0, 0, 10, 10, () => svg.clip(1, 1, 2, 2, () => svg.line(0, 0, 5, 5, '#000000', 1, true)));
    const text = svg.toString();
    expect(text.match(/<g /g)).toHaveLength(2);
    expect(text.match(/<\/g>/g)).toHaveLength(2);
    expect(text.match(/<clipPath /g)).toHaveLength(2);
  });
});

describe('letters that do not fit', () => {
  const style = { size: 10, fill: '#000000' };
  it('are cut with an ellipsis, or left out', () => {
    const svg = surface();
    expect(fitted(svg, 'kworker', 100, style)).toBe('kworker');
    expect(fitted(svg, 'kworker', 36, style)).toBe('kwork…');
    expect(fitted(svg, 'kworker', 15, style)).toBe('');
  });
});
