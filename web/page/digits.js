// Dropout at work: digits after dropout, computed on the GPU whenever a slider moves.

import { byId, onResize } from './dom.js';
import { grouped, hexadecimal } from './format.js';

const SIDE = 8;
const PIXELS = SIDE * SIDE;
const SHOWN = 64;
/** The values are 0 to 16, and twice that after dropout with p = 0.5. */
const MOST = 32;

export async function setUpDigits(gpu) {
  const response = await fetch('digits.csv');
  if (!response.ok) {
    throw new Error(`digits.csv: ${response.status} ${response.statusText}`);
  }
  // A line of names, then a label and the pixels of each digit.
  const lines = (await response.text()).trim().split('\n').slice(1);
  const pixels = Float32Array.from(lines.flatMap(line => line.split(',').slice(1).map(Number)));

  const form = byId('digits-form');
  const settings = () => ({ p: form.p.value, seed: form.seed.value, stream: form.stream.value });
  let [running, again, latest, summary] = [false, false, null, 0];

  // While one picture is being computed, the sliders may move on: then once more with what they show in the end.
  async function update() {
    again = true;
    if (running) {
      return;
    }
    running = true;
    try {
      while (again) {
        again = false;
        const wanted = settings();
        const dropped = await gpu.dropout(pixels, Number(wanted.p), BigInt(wanted.seed), BigInt(wanted.stream));
        latest = dropped;
        draw(dropped);
        await describe(wanted, dropped, pixels.length);
        await new Promise(requestAnimationFrame);
      }
      // Read out when the slider rests, not at every step.
      clearTimeout(summary);
      summary = setTimeout(() => {
        byId('digits-summary').textContent = `Kept: ${byId('kept').textContent}.`;
      }, 600);
    } finally {
      running = false;
    }
  }

  form.addEventListener('input', update);
  form.addEventListener('submit', event => event.preventDefault());
  const redraw = () => latest && draw(latest);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  onResize(byId('digits'), redraw);
  byId('copy').addEventListener('click', copyCommand);
  await update();
}

async function describe({ p, seed, stream }, dropped, length) {
  for (const output of byId('digits-form').querySelectorAll('output')) {
    output.textContent = { p: Number(p).toFixed(2), seed, stream }[output.htmlFor];
  }
  const share = count => `${((count / length) * 100).toFixed(2)}\u00a0%`;
  const expected = (length * Number(dropped.threshold)) / 2 ** 32;
  byId('threshold').textContent = grouped(dropped.threshold);
  byId('scale').textContent = String(Math.fround(dropped.scale));
  byId('kept').textContent = `${grouped(dropped.kept)} · ${share(dropped.kept)}`;
  byId('expected').textContent = `${grouped(Math.round(expected))} · ${share(expected)}`;
  byId('command').textContent =
    `wgpu-dropout mask --p ${p} --seed ${seed} --stream ${stream} --count ${length} | sha256sum`;
  byId('digits').setAttribute('aria-label',
    `The first ${SHOWN} digits after dropout with p = ${p}, seed ${seed}, stream ${stream}`);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', dropped.mask));
  byId('hash').textContent = hexadecimal(hash);
  byId('first-bytes').textContent = hexadecimal(dropped.mask.subarray(0, 8), ' ');
}

function draw({ values, mask }) {
  const canvas = byId('digits');
  const style = getComputedStyle(canvas);
  const color = name => style.getPropertyValue(name).trim();
  const [zero, most] = [color('--pixel-zero'), color('--pixel-most')].map(channels);
  const shades = Array.from({ length: 256 }, (_, i) =>
    `rgb(${zero.map((from, c) => Math.round(from + ((most[c] - from) * i) / 255)).join(' ')})`);
  const dropped = color('--dropped');

  // Whole device pixels, so that every pixel of a digit has the same size. What is left over goes between the digits.
  const width = Math.round(canvas.clientWidth * devicePixelRatio);
  const columns = canvas.clientWidth < 600 ? 8 : 16;
  const rows = SHOWN / columns;
  const cell = Math.floor((width / columns) * 0.93 / SIDE);
  const gap = Math.floor((width - columns * cell * SIDE) / (columns - 1));
  const step = cell * SIDE + gap;
  const height = rows * step - gap;
  if (canvas.width !== width || canvas.height !== height) {
    Object.assign(canvas, { width, height });
    canvas.style.aspectRatio = `${width} / ${height}`;
  }
  const picture = canvas.getContext('2d');
  picture.clearRect(0, 0, width, height);
  const dot = Math.max(2, Math.round(cell * 0.45));
  const inset = Math.floor((cell - dot) / 2);
  for (let i = 0; i < SHOWN * PIXELS; i += 1) {
    const digit = Math.floor(i / PIXELS);
    const x = (digit % columns) * step + (i % SIDE) * cell;
    const y = Math.floor(digit / columns) * step + Math.floor((i % PIXELS) / SIDE) * cell;
    const keep = (mask[i >> 3] >> (i & 7)) & 1;
    picture.fillStyle = shades[keep ? Math.round(Math.sqrt(Math.min(values[i] / MOST, 1)) * 255) : 0];
    picture.fillRect(x, y, cell, cell);
    if (!keep) {
      picture.fillStyle = dropped;
      picture.fillRect(x + inset, y + inset, dot, dot);
    }
  }
}

/** #rrggbb as three numbers. */
const channels = color => [1, 3, 5].map(i => parseInt(color.slice(i, i + 2), 16));

async function copyCommand() {
  try {
    await navigator.clipboard.writeText(byId('command').textContent);
    byId('copied').textContent = 'Copied.';
    byId('copy').textContent = 'Copied';
  } catch {
    // Not allowed: select it, so that a key press copies it.
    getSelection().selectAllChildren(byId('command'));
    byId('copied').textContent = 'Selected, not copied: the browser does not allow it.';
  }
  setTimeout(() => {
    byId('copy').textContent = 'Copy';
    byId('copied').textContent = '';
  }, 2000);
}
