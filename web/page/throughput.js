import { drawChart } from './chart.js';
import { breathe, byId, element, onResize } from './dom.js';
import { powerOfTwo, rounded } from './format.js';

const POWERS = [12, 14, 16, 18, 20, 22];

/** The measurements of each size: { power, results: [{ name, milliseconds, bytes }] }. */
let sizes = [];

export function setUpThroughput() {
  for (const unit of document.querySelectorAll('input[name=unit]')) {
    unit.addEventListener('change', redraw);
  }
  onResize(byId('chart'), redraw);
}

export async function measure(gpu) {
  const status = byId('measure-status');
  sizes = [];
  byId('throughput-summary').textContent = '';
  status.textContent = 'Preparing…';
  await breathe();
  let bench;
  try {
    bench = await gpu.bench();
    byId('empty').textContent = ` (here ${bench.empty.toFixed(2)} ms)`;
    for (const [index, power] of POWERS.entries()) {
      status.textContent = `Measuring ${powerOfTwo(power)} elements, ${index + 1} of ${POWERS.length}…`;
      await breathe();
      const results = (await bench.measure(power)).map(({ name, milliseconds, bytes }) => ({ name, milliseconds, bytes }));
      sizes.push({ power, results });
      byId('measured').hidden = false;
      redraw();
      fillTable();
    }
    status.textContent = 'Done.';
    byId('throughput-summary').textContent = summary(sizes.at(-1));
  } catch (error) {
    status.textContent = `The measurement failed: ${error.message ?? error}`;
  } finally {
    bench?.free();
  }
}

const gigabytes = result => result.bytes / result.milliseconds / 1e6;
const ratio = (result, copy) => (result.milliseconds / copy.milliseconds).toFixed(2);

function redraw() {
  if (sizes.length === 0) {
    return;
  }
  const elements = document.querySelector('input[name=unit]:checked').value === 'elements';
  const series = sizes[0].results.map(({ name }, i) => ({
    name,
    points: sizes.map(({ power, results }) => ({
      x: power,
      y: elements ? 2 ** power / results[i].milliseconds / 1e6 : gigabytes(results[i]),
    })),
  }));
  const unit = elements ? 'billion elements per second' : 'GB/s, bytes read and written';
  drawChart(byId('chart'), byId('chart-legend'), series, { powers: POWERS, unit });
}

function fillTable() {
  const table = byId('throughput-table');
  const heading = name => element('th', { scope: 'col', className: 'number' }, name);
  table.tHead.replaceChildren(element('tr', {},
    element('th', { scope: 'col' }, 'Elements'), ...sizes[0].results.map(({ name }) => heading(name))));
  table.tBodies[0].replaceChildren(...sizes.map(({ power, results }) => element('tr', {},
    element('th', { scope: 'row' }, powerOfTwo(power)),
    ...results.map((result, i) => element('td', { className: 'number' }, rounded(gigabytes(result)),
      ...(i > 0 ? [element('small', {}, ` (${ratio(result, results[0])} ×)`)] : []))))));
}

function summary({ power, results: [copy, ...others] }) {
  const times = others.map(result => `${result.name} ${ratio(result, copy)}\u00a0×`).join(', ');
  return `At ${powerOfTwo(power)} elements the copy moves ${rounded(gigabytes(copy))}\u00a0GB/s, and forward
    ${rounded(gigabytes(others[0]))}\u00a0GB/s. Time over the copy's: ${times}.`;
}
