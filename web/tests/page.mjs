// Drives the built page (target/web) in headless Chromium. scripts/test-web.sh runs it.
//
// CHROMIUM names the browser. Screenshots go to target/web-screenshots.

import assert from 'node:assert/strict';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { chromium } = createRequire(join(root, 'target/playwright/'))('playwright-core');
const screenshots = join(root, 'target/web-screenshots');
const WEBGPU = ['--enable-unsafe-webgpu'];

/** Of `wgpu-dropout mask --cpu --p 0.2 --seed 42 --stream 0 --count 115008 | sha256sum`. */
const HASH = '9a4f45ea1f76cc04a8f2085712ed442fe5441e4ee50bc01b25497d9c460d5a33';

/** The decisions at p = 0.3 with seed 42, of 7 pictures of 3 channels: scripts/format_numpy.py, `keeps(uniforms(…, 0, 21), 0.3)`. */
const CHANNELS_KEPT = [[1, 1, 1], [1, 1, 1], [0, 1, 1], [1, 1, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1]];

const KINDS = { inverted: 'inverted dropout', standard: 'standard dropout', alpha: 'alpha dropout', gaussian: 'Gaussian noise' };

/** On one page, in this order. */
const inOrder = {
  async 'the self-check is green, and fills in while it runs'({ page }) {
    await page.waitForFunction(() => document.querySelectorAll('#checks td.pass').length > 0);
    const running = await page.locator('#checks td', { hasText: /^(running|waiting)$/ }).count();
    assert.ok(running > 0, 'some checks are still to come when the first one has passed');
    await checked(page);
    const results = await page.locator('#checks tbody td:nth-child(2)').allTextContents();
    assert.ok(results.length >= 8, `${results.length} checks`);
    assert.deepEqual([...new Set(results)], ['✓ pass']);
    // Browsers give no device so small that calls must be split.
    const notes = await page.locator('#checks .note').allTextContents();
    assert.ok(notes.length > 0 && notes.every(note => /split/.test(note)), `the notes: ${JSON.stringify(notes)}`);
    assert.match(await page.textContent('#verdict'), new RegExp('^✓ All \\d+ checks passed: [\\d,]{7,} comparisons in .*, '
      + `none different\\. ${notes.length} of them could not check everything on this device\\.$`));
    assert.match(await page.textContent('#device'), /Vendor.*Largest buffer.*\d\u00a0[MG]iB/);
  },

  async 'the digits follow the sliders, and the mask is the known one'({ page }) {
    assert.equal(await page.textContent('#hash'), HASH);
    assert.equal(await page.textContent('#command'),
      'wgpu-dropout mask --p 0.2 --seed 42 --stream 0 --count 115008 | sha256sum');
    assert.equal(await page.textContent('#scale'), '1.25');
    const seen = new Set([await picture(page)]);
    for (const [slider, value] of [['p', '0.5'], ['seed', '7'], ['stream', '99']]) {
      await page.fill(`#${slider}`, value);
      await page.waitForFunction(text => document.getElementById('command').textContent.includes(text), `--${slider} ${value}`);
      seen.add(await picture(page));
    }
    assert.equal(seen.size, 4, 'every slider changes the picture');
    await page.fill('#p', '1');
    await page.waitForFunction(() => document.getElementById('kept').textContent === '0 · 0.00\u00a0%');
    await page.fill('#p', '0');
    await page.waitForFunction(() => document.getElementById('kept').textContent === '115,008 · 100.00\u00a0%');
  },

  async 'kinds, shared masks and normals give the published answers'({ page }) {
    await page.waitForSelector('#answers.pass, #answers.fail', { timeout: 120_000 });
    assert.match(await page.textContent('#answers'), new RegExp('^✓ All 124 published answers, [\\d,]{6,} bits, none '
      + 'different: 27 of shared masks, 8 of gathered rows, 24 of blocks, 33 of kinds, 32 of normals\\.$'));
    assert.ok(await page.isHidden('#answers-wrong'));
  },

  async 'the picture loses the channels that the key names'({ page }) {
    await page.check('input[value=standard]');
    await pictured(page, 'standard dropout in training', 'a channel together');
    assert.equal(await page.textContent('#drawn'), '21');
    // In the middle of the house's wall, of each picture.
    const walls = await page.evaluate(() => {
      const canvas = document.getElementById('picture');
      const [width, height] = [canvas.width, canvas.height];
      const side = 32 * Math.floor(width / 4 * 0.96 / 32);
      const at = (index, count, length) => Math.floor(index * (length - side) / (count - 1) + 0.48 * side);
      return Array.from({ length: 8 }, (_, i) => [...canvas.getContext('2d').getImageData(
        at(i % 4, 4, width), at(Math.floor(i / 4), 2, height) + Math.floor(0.27 * side), 1, 1).data.slice(0, 3)]);
    });
    const wall = [191, 178, 153];
    assert.deepEqual(walls[0], wall);
    assert.deepEqual(walls.slice(1), CHANNELS_KEPT.map(kept => wall.map((value, channel) => value * kept[channel])));
  },

  async 'every kind, mask and mode shows another picture, that of the CPU'({ page }) {
    const seen = new Set();
    const names = {
      value: 'each value by itself', pixel: 'a pixel together', row: 'a row together', channel: 'a channel together',
      picture: 'a picture together', copies: 'one mask for all pictures',
    };
    for (const [kind, title] of Object.entries(KINDS)) {
      for (const [value, name] of Object.entries(names)) {
        await page.check(`input[name=kind][value=${kind}]`);
        await page.check(`input[name=together][value=${value}]`);
        await pictured(page, `${title} in training`, name);
        const compared = kind === 'gaussian' ? '21,504' : '43,008';
        assert.equal(await page.textContent('#picture-verdict'),
          `✓ The CPU, in this page, computes the same: ${compared} comparisons, none different.`);
        seen.add(await picture(page, 'picture'));
      }
    }
    assert.equal(seen.size, 4 * 6);
    // A place for each block of 5 × 5 in 32 × 32 pixels.
    await page.check('input[value=block]');
    await page.waitForSelector('#picture-verdict.fail');
    assert.match(await page.textContent('#picture-verdict'), /^✗ These choices do not go together: blocks .* gaussian/);
    await page.check('input[name=kind][value=inverted]');
    await pictured(page, 'inverted dropout in training', 'blocks of 5 × 5 pixels together');
    assert.match(await page.textContent('#picture-verdict.pass'), /43,008 comparisons/);
    assert.equal(await page.textContent('#drawn'), '5,488');
    assert.ok(!seen.has(await picture(page, 'picture')));
    await page.check('input[value=copies]');
    // Evaluation is the identity, but for standard dropout.
    await page.check('input[value=evaluation]');
    for (const [kind, mean] of [['gaussian', '0.472 → 0.472'], ['standard', '0.472 → 0.331']]) {
      await page.check(`input[name=kind][value=${kind}]`);
      await pictured(page, `${KINDS[kind]} in evaluation`, names.copies);
      assert.ok(await page.locator('#picture-verdict.pass').count());
      assert.equal(await page.textContent('#picture-mean'), mean);
      assert.equal(await page.textContent('#drawn'), '0');
    }
    await page.check('input[value=training]');
    await page.check('input[value=channel]');
  },

  async 'choices that do not go together are explained'({ page }) {
    await page.check('input[name=kind][value=gaussian]');
    await page.fill('#picture-p', '1');
    await page.waitForSelector('#picture-verdict.fail');
    assert.match(await page.textContent('#picture-verdict'),
      /^✗ These choices do not go together: the drop probability p is 1: .* for Gaussian noise/);
    await page.waitForFunction(() => document.getElementById('picture-summary').textContent.startsWith('✗'));
    await page.fill('#picture-p', '0.3');
    await page.check('input[name=kind][value=inverted]');
    await pictured(page, 'inverted dropout in training', 'a channel together');
    assert.ok(await page.locator('#picture-verdict.pass').count());
  },

  async 'many movements at once end in what the sliders show'({ page }) {
    await page.evaluate(() => {
      const slider = document.getElementById('p');
      for (let i = 0; i <= 100; i += 1) {
        slider.value = i / 100;
        slider.dispatchEvent(new Event('input', { bubbles: true }));
      }
      document.getElementById('seed').value = 42;
      document.getElementById('stream').value = 0;
      slider.value = 0.2;
      slider.dispatchEvent(new Event('input', { bubbles: true }));
    });
    await page.waitForFunction(hash => document.getElementById('hash').textContent === hash, HASH);
  },

  async 'the keyboard reaches and moves everything'({ page }) {
    // From the top of the page.
    await page.click('h1');
    const reached = [];
    for (let i = 0; i < 30; i += 1) {
      await page.keyboard.press('Tab');
      const { id, outlined } = await page.evaluate(() => ({
        id: document.activeElement.id || document.activeElement.name || document.activeElement.tagName,
        outlined: getComputedStyle(document.activeElement).outlineStyle !== 'none',
      }));
      if (id === 'BODY') {
        break;
      }
      assert.ok(outlined, `${id} shows that it has the focus`);
      reached.push(id);
      if (id === 'p') {
        const before = await picture(page);
        await page.keyboard.press('ArrowRight');
        await page.waitForFunction(() => document.getElementById('command').textContent.includes('--p 0.21 '));
        assert.notEqual(await picture(page), before);
        await page.keyboard.press('ArrowLeft');
      }
      if (id === 'kind') {
        await page.keyboard.press('ArrowRight');
        await pictured(page, 'standard dropout', 'a channel together');
        await page.keyboard.press('ArrowLeft');
        await pictured(page, 'inverted dropout', 'a channel together');
      }
    }
    const pictureForm = ['kind', 'together', 'mode', 'picture-p', 'picture-seed'];
    for (const id of ['p', 'seed', 'stream', 'copy', ...pictureForm, 'check-again', 'measure', 'SUMMARY']) {
      assert.ok(reached.includes(id), `Tab reaches ${id}: ${reached}`);
    }
  },

  async 'the throughput is measured; the page fits, in both colours'({ page }) {
    await page.click('#measure');
    assert.ok(await page.isDisabled('#check-again'), 'nothing else runs meanwhile');
    await page.waitForSelector('#measured:not([hidden])', { timeout: 60_000 });
    await page.waitForFunction(() => /^(Done|The measurement failed)/.test(document.getElementById('measure-status').textContent),
      null, { timeout: 180_000 });
    assert.equal(await page.textContent('#measure-status'), 'Done.');
    console.log(`     ${(await page.textContent('#throughput-summary')).replaceAll(/\s+/g, ' ')}`);
    const cells = await page.locator('#throughput-table tbody td').allTextContents();
    assert.equal(cells.length, 6 * 4);
    for (const cell of cells) {
      assert.match(cell, /^\d+(\.\d+)?( \(\d+\.\d\d ×\))?$/);
      assert.ok(parseFloat(cell) > 0, cell);
    }
    assert.equal(await page.locator('#chart path.line').count(), 4);
    const line = () => page.locator('#chart .series-mask path.line').getAttribute('d');
    const before = await line();
    await page.check('input[value=elements]');
    assert.notEqual(await line(), before);
    await page.check('input[value=bytes]');
    assert.equal(await line(), before);

    for (const [name, width, height] of [['phone', 390, 844], ['desktop', 1280, 900]]) {
      for (const colorScheme of ['light', 'dark']) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme });
        // The canvas and the chart are drawn again after the layout.
        await page.waitForTimeout(300);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, 'nothing sticks out');
        await page.screenshot({ path: join(screenshots, `${name}-${colorScheme}.png`), fullPage: true });
      }
    }
  },

  async 'the self-check runs again, and the page stays alive meanwhile'({ page }) {
    await page.click('#check-again');
    assert.ok(await page.isDisabled('#check-again'));
    assert.equal(await page.textContent('#verdict'), 'Checking…');
    await page.fill('#p', '0.5');
    await page.waitForFunction(() => document.getElementById('command').textContent.includes('--p 0.5 '));
    assert.equal(await page.textContent('#verdict'), 'Checking…');
  },
};

/** In a browser of its own, beside the others: it takes as long as they do, on one core. */
const beside = {
  async 'a wrong bit turns the self-check red'({ page }) {
    // A constant of Threefry, changed on the way to the device.
    await page.addInitScript(() => {
      const create = GPUDevice.prototype.createShaderModule;
      GPUDevice.prototype.createShaderModule = function (descriptor) {
        const code = descriptor.code.replaceAll('0x1bd11bda', '0x1bd11bdb');
        return create.call(this, { ...descriptor, code });
      };
    });
    await page.reload();
    await checked(page);
    assert.match(await page.textContent('#verdict'), /^✗ \d+ of \d+ checks failed/);
    assert.ok((await page.locator('#checks td.fail').count()) > 0);
    assert.match(await page.locator('#checks .mismatches').first().textContent(), /expected/);
    assert.match(await page.textContent('#picture-verdict.fail'), /^✗ [\d,]+ of [\d,]+ comparisons with the CPU differ: /);
    assert.match(await page.textContent('#answers.fail'), /^✗ \d+ of 124 published answers are not/);
    await page.screenshot({ path: join(screenshots, 'failing.png'), fullPage: true });
  },
};

/** Each on a page of its own. */
const apart = {
  async 'a wrong bit of the table of normals turns red what is made of normals'({ page }) {
    await page.addInitScript(() => {
      const write = GPUQueue.prototype.writeBuffer;
      GPUQueue.prototype.writeBuffer = function (buffer, offset, data, first, size) {
        if (buffer.label !== 'wgpu-dropout normals') {
          return write.call(this, buffer, offset, data, first, size);
        }
        const bytes = Uint8Array.from(new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0).subarray(first, first + size));
        // Of the first octave's fourth segment.
        bytes[4 * 8] ^= 1;
        return write.call(this, buffer, offset, bytes);
      };
    });
    await page.reload();
    await page.waitForSelector('#answers.fail', { timeout: 120_000 });
    const wrong = await page.locator('#answers-wrong li').allTextContents();
    assert.ok(wrong.length > 0 && wrong.every(text => /^(normals|gaussian), .* expected .*, computed /.test(text)), `${wrong}`);
    assert.ok(await page.locator('#picture-verdict.pass').count(), 'masks are as they were');
    await page.check('input[name=kind][value=gaussian]');
    await page.check('input[value=value]');
    await page.waitForSelector('#picture-verdict.fail');
    assert.match(await page.textContent('#picture-verdict'),
      /^✗ [\d,]+ of 21,504 comparisons with the CPU differ: value \d+ is .* here and .* on the CPU\.$/);
    await page.locator('section', { has: page.locator('#picture') })
      .screenshot({ path: join(screenshots, 'wrong-normals.png') });
  },

  async 'errors of the device are shown'({ page }) {
    await page.addInitScript(() => {
      const request = GPUAdapter.prototype.requestDevice;
      window.devices = [];
      GPUAdapter.prototype.requestDevice = async function (...options) {
        const device = await request.apply(this, options);
        window.devices.push(device);
        return device;
      };
    });
    await page.reload();
    await page.waitForFunction(() => document.getElementById('hash').textContent !== '');
    assert.ok(await page.isHidden('#trouble'));
    // The browser writes such an error to the console, too.
    page.expectsTrouble = true;
    await page.evaluate(() => {
      window.devices[0].createBuffer({ size: 4, usage: 0xffff });
      // So that the browser passes it on.
      window.devices[0].queue.submit([]);
    });
    await page.waitForSelector('#trouble:not([hidden])');
    assert.match(await page.textContent('#trouble-list'), /The device reported an error: .*Usage/s);
    await page.evaluate(() => window.devices[0].destroy());
    await page.waitForFunction(() => document.getElementById('trouble').textContent.includes('The device was lost.'));
    // A call on the lost device is an error, and no picture.
    const before = await picture(page);
    await page.fill('#p', '0.5');
    await page.waitForFunction(() => document.getElementById('trouble').textContent.includes('the device refused'));
    assert.equal(await picture(page), before);
  },
};

/** Tests of browsers without WebGPU: [the browser's arguments, what the page runs first, host, the reason given]. */
const without = {
  'no adapter': [[], () => {}, 'localhost', /found no graphics adapter/],
  'no WebGPU': [WEBGPU, () => delete Navigator.prototype.gpu, 'localhost', /does not offer WebGPU/],
  'an address that is not secure': [
    [...WEBGPU, '--host-resolver-rules=MAP insecure.test 127.0.0.1'], () => {}, 'insecure.test', /is not a secure one/,
  ],
};

const checked = page => page.waitForSelector('#verdict.pass, #verdict.fail', { timeout: 600_000 });

/** A number for what the canvas shows. */
const picture = (page, id = 'digits') => page.evaluate(id => {
  const canvas = document.getElementById(id);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.reduce((hash, byte) => (Math.imul(hash, 31) + byte) | 0, 0);
}, id);

/** Waits until the picture is the one of these choices. */
const pictured = (page, kind, together) => page.waitForFunction(texts => {
  const label = document.getElementById('picture').getAttribute('aria-label');
  return texts.every(text => label.includes(text));
}, [` ${kind}`, together]);

/** The built page on a free port. */
async function serve() {
  const types = {
    '.css': 'text/css', '.csv': 'text/csv', '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json',
    '.svg': 'image/svg+xml', '.wasm': 'application/wasm',
  };
  const server = createServer(async ({ url }, response) => {
    const path = normalize(new URL(url, 'http://localhost').pathname);
    try {
      const content = await readFile(join(root, 'target/web', path.endsWith('/') ? `${path}index.html` : path));
      response.writeHead(200, { 'content-type': types[extname(path) || '.html'] }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const launch = args => chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--headless=new', '--no-sandbox', '--no-first-run', '--disable-background-networking', ...args],
});

/** A new page, which must not complain. */
async function open(browser, url, init = () => {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
  page.complaints = [];
  page.on('console', message => {
    if (message.type() === 'error' && !page.expectsTrouble) {
      page.complaints.push(message.text());
    }
  });
  page.on('pageerror', error => {
    if (!page.expectsTrouble) {
      page.complaints.push(error.message);
    }
  });
  await page.addInitScript(init);
  await page.goto(url);
  return page;
}

async function run(name, test) {
  const start = performance.now();
  try {
    await test();
    console.log(`ok   ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    console.log(`FAIL ${name}\n${error.stack ?? error}`);
    return false;
  }
}

await rm(screenshots, { recursive: true, force: true });
await mkdir(screenshots, { recursive: true });
const server = await serve();
const at = host => `http://${host}:${server.address().port}/`;
const results = [];

async function check(browser, name, test, page) {
  results.push(await run(name, async () => {
    page ??= await open(browser, at('localhost'));
    await test({ page });
    assert.deepEqual(page.complaints, []);
    if (!page.expectsTrouble) {
      assert.ok(await page.isHidden('#trouble'), await page.textContent('#trouble-list'));
    }
  }));
}
async function checkBeside() {
  const browser = await launch(WEBGPU);
  for (const [name, test] of Object.entries(beside)) {
    await check(browser, name, test);
  }
  await browser.close();
}
const others = checkBeside();
const browser = await launch(WEBGPU);
const page = await open(browser, at('localhost'));
for (const [name, test] of Object.entries(inOrder)) {
  await check(browser, name, test, page);
}
await page.close();
for (const [name, test] of Object.entries(apart)) {
  await check(browser, name, test);
}
await browser.close();
await others;

for (const [name, [args, init, host, reason]] of Object.entries(without)) {
  results.push(await run(`without WebGPU: ${name}`, async () => {
    const browser = await launch(args);
    const page = await open(browser, at(host), init);
    await page.waitForSelector('#without:not([hidden])');
    assert.match(await page.textContent('#without-reason'), reason);
    for (const part of ['#app', '#trouble', '#loading']) {
      assert.ok(await page.isHidden(part), `${part} is hidden`);
    }
    assert.deepEqual(page.complaints, []);
    await page.screenshot({ path: join(screenshots, `without-${name.replaceAll(' ', '-')}.png`), fullPage: true });
    await browser.close();
  }));
}
server.close();

if (results.length === 0 || results.includes(false)) {
  console.log(`${results.filter(passed => !passed).length} of ${results.length} tests of the page failed`);
  process.exit(1);
}
console.log(`All ${results.length} tests of the page passed.`);
