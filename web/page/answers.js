// The published answers of kinds, shared masks and normals: every bit of them, computed on this device.

import { breathe, byId, element } from './dom.js';
import { grouped, hexadecimal } from './format.js';

/** How many of the wrong ones are shown. */
const MOST = 5;

/** `Member` is the program's. */
export async function checkAnswers(gpu, Member) {
  const verdict = byId('answers');
  try {
    const response = await fetch('family_v1.json');
    if (!response.ok) {
      throw new Error(`family_v1.json: ${response.status} ${response.statusText}`);
    }
    const published = cases(await response.json());
    let bits = 0;
    const [wrong, counts] = [[], new Map()];
    for (const { about, name, expected, compute } of published) {
      const actual = await compute(gpu, Member);
      counts.set(about, (counts.get(about) ?? 0) + 1);
      bits += expected.length * 4;
      if (actual !== expected) {
        wrong.push(`${name}: ${difference(expected, actual)}`);
      }
      await breathe();
    }
    verdict.className = `verdict ${wrong.length ? 'fail' : 'pass'}`;
    const list = [...counts].map(([about, count]) => `${count} of ${about}`).join(', ');
    verdict.textContent = wrong.length
      ? `✗ ${wrong.length} of ${published.length} published answers are not what this device computes.`
      : `✓ All ${published.length} published answers, ${grouped(bits)} bits, none different: ${list}.`;
    byId('answers-wrong').replaceChildren(...wrong.slice(0, MOST).map(text => element('li', { textContent: text })));
    byId('answers-wrong').hidden = wrong.length === 0;
  } catch (error) {
    verdict.className = 'verdict fail';
    verdict.textContent = `✗ The answers could not be computed: ${error.message ?? error}`;
  }
}

/** Every answer as hexadecimal digits, and how to compute it. */
function cases({ shared, gathered, drop_block: blocks, values, kinds, normals }) {
  const mask = (about, { ids, ...entry }) => ({
    about,
    name: `${about}, shape ${entry.shape.join(' × ')}, ${named(entry)}`,
    expected: entry.mask,
    compute: (gpu, Member) => withMember(Member, 'inverted', true, entry, member => {
      member.share(Uint32Array.from(entry.shape), Uint32Array.from(entry.shared));
      if (ids) {
        member.gather(Uint32Array.from(ids));
      }
      return gpu.keepMask(member, elements(entry)).then(hexadecimal);
    }),
  });
  // "alpha", "standard evaluation", "alpha backward", …
  const value = (name, entry, answer) => {
    const [kind, mode] = name.split(' ');
    return {
      about: 'kinds',
      name: `${name}, ${named(entry)}`,
      expected: answer.join(''),
      compute: (gpu, Member) => withMember(Member, kind, mode !== 'evaluation', entry, member => {
        const x = Uint32Array.from(entry.x, word => parseInt(word, 16));
        return gpu.valueBits(member, x, mode === 'backward').then(words);
      }),
    };
  };
  return [
    ...shared.map(entry => mask('shared masks', entry)),
    ...gathered.map(entry => mask('gathered rows', entry)),
    ...blocks.map(entry => ({
      about: 'blocks',
      name: `blocks of ${entry.block.join(' × ')}, shape ${entry.shape.join(' × ')}, ${named(entry)}`,
      expected: entry.mask,
      compute: (gpu, Member) => withMember(Member, 'inverted', true, entry, member => {
        member.block(Uint32Array.from(entry.shape), Uint32Array.from(entry.block), new Uint32Array());
        return gpu.keepMask(member, elements(entry)).then(hexadecimal);
      }),
    })),
    ...values.flatMap(entry => ['alpha', 'gaussian'].map(kind => value(kind, entry, entry[kind]))),
    ...kinds.map(entry => value(entry.kind, entry, entry.y)),
    ...normals.map(entry => ({
      about: 'normals',
      name: `normals, ${named(entry)}`,
      // Integers in units of 2⁻²¹, which f32 holds exactly.
      expected: words(bitsOf(entry.z_q21.map(z => z / 2 ** 21))),
      compute: gpu => {
        const { generator, seed, stream, start, z_q21 } = entry;
        return gpu.normals(generator, BigInt(seed), BigInt(stream), BigInt(start), z_q21.length)
          .then(normals => words(bitsOf(normals)));
      },
    })),
  ];
}

const named = ({ generator, p, start }) =>
  [generator, ...(p === undefined ? [] : [`p = ${p}`]), `from ${start} on`].join(', ');

/** What `work` makes of a member, which is freed afterwards. */
async function withMember(Member, kind, training, { p, generator, seed, stream, start }, work) {
  const member = new Member(kind, Number(p), training, generator, BigInt(seed), BigInt(stream));
  try {
    member.at(BigInt(start));
    return await work(member);
  } finally {
    member.free();
  }
}

const elements = ({ shape }) => shape.reduce((product, extent) => product * extent, 1);
const bitsOf = numbers => new Uint32Array(Float32Array.from(numbers).buffer);
const words = bits => [...bits].map(word => word.toString(16).padStart(8, '0')).join('');

/** Where two strings of digits begin to differ. */
function difference(expected, actual) {
  const place = [...expected].findIndex((digit, i) => digit !== actual[i]);
  // Whole words.
  const first = Math.max(0, place - (place % 8));
  const part = digits => digits.slice(first, first + 16);
  return `from bit ${first * 4} on expected ${part(expected)}, computed ${part(actual)}`;
}
