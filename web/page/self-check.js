import { breathe, byId, element } from './dom.js';
import { duration, grouped } from './format.js';

/** Runs every check and fills the table in. `SelfCheck` is the program's. */
export async function runChecks(SelfCheck) {
  const [verdict, progress, table] = [byId('verdict'), byId('check-progress'), byId('checks')];
  verdict.className = 'verdict';
  verdict.textContent = 'Checking…';
  progress.className = '';
  progress.removeAttribute('value');
  for (const body of [...table.tBodies]) {
    body.remove();
  }
  await breathe();

  let selfCheck;
  try {
    selfCheck = await SelfCheck.open();
    const rows = prepare(table, selfCheck.checks());
    const begin = performance.now();
    let [failed, noted, compared] = [0, 0, 0];
    progress.max = rows.length;
    for (const [index, row] of rows.entries()) {
      progress.value = index;
      row.result.textContent = 'running';
      await breathe();
      const start = performance.now();
      const result = await selfCheck.run(index);
      show(row, result, performance.now() - start);
      failed += result.passed ? 0 : 1;
      noted += result.note ? 1 : 0;
      compared += result.compared;
      progress.className = failed ? 'bad' : '';
    }
    progress.value = rows.length;
    const time = duration(performance.now() - begin);
    verdict.classList.add(failed ? 'fail' : 'pass');
    verdict.textContent = failed
      ? `✗ ${failed} of ${rows.length} checks failed: this device does not keep the promise.`
      : `✓ All ${rows.length} checks passed: ${grouped(compared)} comparisons in ${time}, none different.`
        + (noted ? ` ${noted} of them could not check everything on this device.` : '');
  } catch (error) {
    verdict.classList.add('fail');
    verdict.textContent = `✗ The check could not run: ${error.message ?? error}`;
  } finally {
    selfCheck?.free();
  }
}

/** A row for each check, in groups. */
function prepare(table, checks) {
  const rows = [];
  let [about, body] = [null, null];
  for (const check of checks) {
    if (check.about !== about) {
      about = check.about;
      const heading = element('th', { scope: 'rowgroup', colSpan: 4 }, about[0].toUpperCase() + about.slice(1));
      body = element('tbody', {}, element('tr', {}, heading));
      table.append(body);
    }
    const row = {
      name: element('th', { scope: 'row' }, check.name),
      result: element('td', { className: 'muted', textContent: 'waiting' }),
      compared: element('td', { className: 'number' }),
      time: element('td', { className: 'number' }),
    };
    body.append(element('tr', {}, row.name, row.result, row.compared, row.time));
    rows.push(row);
  }
  return rows;
}

function show(row, result, ms) {
  row.result.className = result.passed ? 'pass' : 'fail';
  row.result.textContent = result.passed ? '✓ pass' : '✗ fail';
  row.compared.textContent = grouped(result.compared);
  row.time.textContent = duration(ms);
  if (!result.passed) {
    const findings = [result.problem, ...result.first].map(text => element('li', { textContent: text }));
    row.name.append(element('ul', { className: 'mismatches' }, ...findings));
  }
  if (result.note) {
    row.name.append(element('p', { className: 'note', textContent: result.note }));
  }
}
