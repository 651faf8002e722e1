// The page: a device first, then its parts. What is computed is in the program (wgpu_dropout_web.js).

import { checkAnswers } from './answers.js';
import { explain, findAdapter, showAdapter } from './device.js';
import { setUpDigits } from './digits.js';
import { byId } from './dom.js';
import { setUpPicture } from './picture.js';
import { runChecks } from './self-check.js';
import { measure, setUpThroughput } from './throughput.js';
import { trouble, watchThePage } from './trouble.js';
import init, { Gpu, Member, SelfCheck, onTrouble } from './wgpu_dropout_web.js';

async function start() {
  watchThePage();
  const { adapter, reason } = await findAdapter();
  if (reason) {
    explain(reason);
    return;
  }
  await init();
  onTrouble(trouble);
  const gpu = await Gpu.open();
  showAdapter(adapter);
  byId('app').hidden = false;
  byId('loading').hidden = true;

  // The checks and the measurement would disturb each other.
  const [again, measureButton] = [byId('check-again'), byId('measure')];
  const alone = async work => {
    again.disabled = measureButton.disabled = true;
    try {
      await work();
    } finally {
      again.disabled = measureButton.disabled = false;
    }
  };
  again.addEventListener('click', () => alone(() => runChecks(SelfCheck)));
  measureButton.addEventListener('click', () => alone(() => measure(gpu)));
  setUpThroughput();
  await setUpDigits(gpu);
  await setUpPicture(gpu, Member);
  await checkAnswers(gpu, Member);
  await alone(() => runChecks(SelfCheck));
}

try {
  await start();
} catch (error) {
  trouble('page', error.message ?? String(error));
} finally {
  byId('loading').hidden = true;
}
