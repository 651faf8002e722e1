// Numbers as people read them.

const digits = new Intl.NumberFormat('en');

/** 115008 as 115,008. */
export const grouped = number => digits.format(number);

/** Three significant figures. */
export const rounded = number => (number >= 100 ? number.toFixed(0) : number.toPrecision(3));

/** Bytes as KiB, MiB or GiB. */
export function bytes(number) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${number < 10 ? Number(number.toFixed(2)) : Math.round(number)}\u00a0${units[unit]}`;
}

/** Milliseconds as ms or s. The spaces before units do not break. */
export const duration = ms => (ms >= 1000 ? `${(ms / 1000).toFixed(1)}\u00a0s` : `${ms.toFixed(0)}\u00a0ms`);

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** 2²², of 22. */
export const powerOfTwo = power => `2${[...String(power)].map(digit => superscripts[digit]).join('')}`;

/** Bytes as they are written: two digits each. */
export const hexadecimal = (bytes, separator = '') =>
  [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(separator);
