// Kinds and shared masks: copies of a picture after dropout, computed on the GPU, and on the CPU for comparison.

import { byId, onResize } from './dom.js';
import { grouped } from './format.js';

const COPIES = 7;
const CHANNELS = 3;
const SIDE = 32;
const PIXELS = SIDE * SIDE;
/** Axes: copy, channel, row, column. */
const SHAPE = [COPIES, CHANNELS, SIDE, SIDE];

/** What can be decided together: the axes along which a decision is shared. */
const together = {
  value: { axes: [], name: 'each value by itself' },
  pixel: { axes: [1], name: 'a pixel together' },
  row: { axes: [1, 3], name: 'a row together' },
  channel: { axes: [2, 3], name: 'a channel together' },
  picture: { axes: [1, 2, 3], name: 'a picture together' },
  copies: { axes: [0], name: 'one mask for all pictures' },
  block: { axes: [1], block: [5, 5], name: 'blocks of 5 × 5 pixels together' },
};

const title = {
  inverted: 'inverted dropout', standard: 'standard dropout', alpha: 'alpha dropout', gaussian: 'Gaussian noise',
};

// The spaces in formulas do not break.
const meaning = {
  inverted: `Inverted dropout, what frameworks call dropout: a kept value is multiplied by 1/(1\u00a0−\u00a0p), a dropped
    one is 0.`,
  standard: `Standard dropout (2014): a kept value stays as it is, a dropped one is 0; evaluation multiplies by
    1\u00a0−\u00a0p.`,
  alpha: `Alpha dropout, for self-normalizing networks: a dropped value becomes what SELU saturates at, and an affine map
    keeps mean and variance of values that have mean 0 and variance 1, which these have not.`,
  gaussian: `Gaussian noise: every value is multiplied by a normal number of mean 1 and variance p/(1\u00a0−\u00a0p).
    Nothing is dropped.`,
};
const BLOCKS = `DropBlock: blocks that overlap, about a part p of all pixels; what is kept is multiplied by all over kept
  values, counted.`;
const NOTHING = 'Evaluation changes nothing.';

/** `Member` is the program's. */
export async function setUpPicture(gpu, Member) {
  const original = drawn();
  const copies = new Float32Array(COPIES * original.length);
  for (let i = 0; i < COPIES; i += 1) {
    copies.set(original, i * original.length);
  }

  const form = byId('picture-form');
  const settings = () => Object.fromEntries(new FormData(form));
  let [running, again, latest, summary] = [false, false, null, 0];

  // As for the digits: while one is being computed, the choices may change.
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
        const { values, problem } = await compute(wanted);
        latest = values;
        draw(original, latest);
        describe(wanted, copies, values, problem);
        await new Promise(requestAnimationFrame);
      }
      clearTimeout(summary);
      summary = setTimeout(() => {
        byId('picture-summary').textContent = byId('picture-verdict').textContent;
      }, 600);
    } finally {
      running = false;
    }
  }

  async function compute({ kind, mode, together: choice, p, seed }) {
    let member;
    try {
      member = new Member(kind, Number(p), mode === 'training', 'threefry', BigInt(seed), 0n);
      const { axes, block } = together[choice];
      if (block) {
        member.block(SHAPE, block, axes);
      } else {
        member.share(SHAPE, axes);
      }
    } catch (error) {
      // Choices that do not go together. What goes wrong on the device is not caught here.
      member?.free();
      return { problem: error.message };
    }
    const changed = await gpu.change(member, copies);
    member.free();
    const { values, kept, compared, different, first } = changed;
    changed.free();
    return { values: { values, kept, compared, different, first } };
  }

  form.addEventListener('input', update);
  form.addEventListener('submit', event => event.preventDefault());
  onResize(byId('picture'), () => draw(original, latest));
  await update();
}

function describe({ kind, mode, together: choice, p, seed }, copies, changed, problem) {
  for (const output of byId('picture-form').querySelectorAll('output')) {
    output.textContent = output.htmlFor[0] === 'picture-p' ? Number(p).toFixed(2) : seed;
  }
  const training = mode === 'training';
  const verdict = byId('picture-verdict');
  const passed = changed?.different === 0;
  verdict.className = `verdict ${passed ? 'pass' : 'fail'}`;
  if (problem) {
    verdict.textContent = `✗ These choices do not go together: ${problem}.`;
  } else if (passed) {
    verdict.textContent =
      `✓ The CPU, in this page, computes the same: ${grouped(changed.compared)} comparisons, none different.`;
  } else {
    const counts = `${grouped(changed.different)} of ${grouped(changed.compared)}`;
    verdict.textContent = `✗ ${counts} comparisons with the CPU differ: ${changed.first}.`;
  }
  const about = together[choice].block ? BLOCKS : meaning[kind];
  byId('picture-meaning').textContent = training || kind === 'standard' ? about : `${about} ${NOTHING}`;
  byId('picture').setAttribute('aria-label', changed
    ? `A picture, and ${COPIES} copies of it after ${title[kind]} in ${mode} with p = ${p}, seed ${seed},
      ${together[choice].name}`
    : 'The picture alone');

  const { axes, block = [] } = together[choice];
  // A block is decided for where it can begin.
  const places = SHAPE.map((extent, axis) => extent - (block[axis - SHAPE.length + block.length] ?? 1) + 1);
  const decisions = places.reduce((product, extent, axis) => (axes.includes(axis) ? product : product * extent), 1);
  byId('drawn-title').textContent = kind === 'gaussian' ? 'Normals drawn' : 'Decisions drawn';
  byId('drawn').textContent = grouped(training && p > 0 ? decisions : 0);
  byId('picture-values').textContent = grouped(copies.length);
  const share = count => `${((count / copies.length) * 100).toFixed(2)}\u00a0%`;
  const kept = changed && (changed.kept ?? copies.length);
  byId('picture-kept').textContent = changed ? `${grouped(kept)} · ${share(kept)}` : '–';
  const [before, after] = [copies, changed?.values].map(values => values && moments(values));
  for (const moment of ['mean', 'deviation']) {
    byId(`picture-${moment}`).textContent = `${before[moment].toFixed(3)} → ${after ? after[moment].toFixed(3) : '–'}`;
  }
}

/** Mean and standard deviation. */
function moments(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

/** The picture and its copies, the first one in front. Without `changed` the picture alone. */
function draw(original, changed) {
  const canvas = byId('picture');
  const columns = (COPIES + 1) / 2;
  // Whole device pixels, as for the digits.
  const width = Math.round(canvas.clientWidth * devicePixelRatio);
  const cell = Math.max(1, Math.floor(width / columns * 0.96 / SIDE));
  const gap = Math.floor((width - columns * cell * SIDE) / (columns - 1));
  const step = cell * SIDE + gap;
  const height = 2 * step - gap;
  if (canvas.width !== width || canvas.height !== height) {
    Object.assign(canvas, { width, height });
    canvas.style.aspectRatio = `${width} / ${height}`;
  }
  const context = canvas.getContext('2d');
  context.clearRect(0, 0, width, height);
  const pictures = [original];
  for (let i = 0; changed && i < COPIES; i += 1) {
    pictures.push(changed.values.subarray(i * original.length, (i + 1) * original.length));
  }
  const shade = value => Math.round(Math.min(Math.max(value, 0), 1) * 255);
  for (const [i, values] of pictures.entries()) {
    const [left, top] = [(i % columns) * step, Math.floor(i / columns) * step];
    for (let pixel = 0; pixel < PIXELS; pixel += 1) {
      const rgb = [0, 1, 2].map(channel => shade(values[channel * PIXELS + pixel]));
      context.fillStyle = `rgb(${rgb.join(' ')})`;
      context.fillRect(left + (pixel % SIDE) * cell, top + Math.floor(pixel / SIDE) * cell, cell, cell);
    }
  }
}

/** A house on a hill in the sun: the channels one after the other, each a square of values from 0.05 to 0.8. */
function drawn() {
  const values = new Float32Array(CHANNELS * PIXELS);
  for (let pixel = 0; pixel < PIXELS; pixel += 1) {
    // From the left and from the top, 0 to 1.
    const [x, y] = [((pixel % SIDE) + 0.5) / SIDE, (Math.floor(pixel / SIDE) + 0.5) / SIDE];
    for (const [channel, value] of color(x, y).entries()) {
      values[channel * PIXELS + pixel] = value;
    }
  }
  return values;
}

function color(x, y) {
  const within = (left, right, top, bottom) => x > left && x < right && y > top && y < bottom;
  if (within(0.31, 0.41, 0.66, 0.84)) {
    return [0.35, 0.2, 0.1];
  }
  if (within(0.2, 0.28, 0.6, 0.7) || within(0.44, 0.52, 0.6, 0.7)) {
    return [0.8, 0.8, 0.45];
  }
  if (within(0.15, 0.57, 0.53, 0.84)) {
    return [0.75, 0.7, 0.6];
  }
  // The roof.
  if (y > 0.3 && y < 0.53 && Math.abs(x - 0.36) < (y - 0.28)) {
    return [0.7, 0.2, 0.12];
  }
  if ((x - 0.78) ** 2 + (y - 0.22) ** 2 < 0.018) {
    return [0.8, 0.7, 0.15];
  }
  if (y > 0.62 + 0.5 * (x - 0.45) ** 2) {
    return [0.15, 0.5 - 0.25 * (y - 0.62), 0.12];
  }
  return [0.2 + 0.45 * y, 0.45 + 0.3 * y, 0.8];
}
