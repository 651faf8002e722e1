// A line chart in SVG: throughput against size.

import { powerOfTwo, rounded } from './format.js';

const HEIGHT = 320;
const [TOP, RIGHT, BOTTOM, LEFT] = [34, 14, 46, 44];

/** Marks that differ by shape and not by colour alone. */
const marks = [
  (x, y) => svg('rect', { x: x - 4.5, y: y - 4.5, width: 9, height: 9 }),
  (x, y) => svg('circle', { cx: x, cy: y, r: 5 }),
  (x, y) => svg('path', { d: `M${x} ${y - 6}l5.5 10h-11z` }),
  (x, y) => svg('path', { d: `M${x} ${y - 6}l6 6l-6 6l-6 -6z` }),
];

/** `series` is [{ name, points: [{ x, y }] }], `powers` what x can be. */
export function drawChart(chart, legend, series, { powers, unit }) {
  const width = Math.max(chart.clientWidth, 280);
  chart.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  chart.style.height = `${HEIGHT}px`;

  const most = Math.max(...series.flatMap(({ points }) => points.map(({ y }) => y)));
  const step = niceStep(most / 5);
  const top = Math.ceil(most / step) * step;
  const [first, last] = [powers[0], powers.at(-1)];
  const atX = x => LEFT + 8 + ((x - first) / (last - first)) * (width - LEFT - RIGHT - 16);
  const atY = y => HEIGHT - BOTTOM - (y / top) * (HEIGHT - TOP - BOTTOM);

  const parts = [text(0, 14, unit, 'start')];
  for (let i = 0; i <= Math.round(top / step); i += 1) {
    const y = atY(i * step);
    parts.push(svg('line', { x1: LEFT, x2: width - RIGHT, y1: y, y2: y, class: 'grid' }));
    parts.push(text(LEFT - 8, y + 4, String(Number((i * step).toPrecision(6))), 'end'));
  }
  for (const power of powers) {
    parts.push(text(atX(power), HEIGHT - BOTTOM + 20, powerOfTwo(power), 'middle'));
  }
  parts.push(text((LEFT + width - RIGHT) / 2, HEIGHT - 6, 'elements', 'middle'));

  for (const [i, { name, points }] of series.entries()) {
    const line = points.map(({ x, y }, j) => `${j ? 'L' : 'M'}${atX(x).toFixed(1)} ${atY(y).toFixed(1)}`).join('');
    const group = svg('g', { class: className(name) }, svg('path', { d: line, class: 'line' }));
    for (const { x, y } of points) {
      const mark = svg('g', { class: 'mark' }, marks[i](atX(x), atY(y)));
      const title = svg('title', {});
      title.textContent = `${name}, ${powerOfTwo(x)} elements: ${rounded(y)} ${unit}`;
      mark.append(title);
      group.append(mark);
    }
    parts.push(group);
  }
  chart.replaceChildren(...parts);

  legend.replaceChildren(...series.map(({ name }, i) => {
    const key = svg('svg', { viewBox: '0 0 32 14', class: className(name) },
      svg('path', { d: 'M0 7H32', class: 'line' }), svg('g', { class: 'mark' }, marks[i](16, 7)));
    const entry = document.createElement('span');
    entry.append(key, name);
    return entry;
  }));
}

const className = name => `series-${name.replaceAll(' ', '-')}`;

/** 1, 2 or 5 times a power of ten, at least `step`. */
function niceStep(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * [1, 2, 5, 10].find(factor => factor * power >= step);
}

function text(x, y, content, anchor) {
  const node = svg('text', { x, y, 'text-anchor': anchor, class: 'axis-text' });
  node.textContent = content;
  return node;
}

function svg(name, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) {
    node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}
