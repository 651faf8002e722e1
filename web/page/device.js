// Whether there is a device at all, and what the browser tells about it.

import { byId, element } from './dom.js';
import { bytes, grouped } from './format.js';

/** The adapter, or the reason why there is none. */
export async function findAdapter() {
  if (!isSecureContext) {
    return { reason: `The address of this page, ${location.origin}, is not a secure one, and browsers offer WebGPU only
      to those. Open it over https, or as http://localhost.` };
  }
  if (!navigator.gpu) {
    return { reason: 'This browser does not offer WebGPU to pages. It may be too old, or WebGPU switched off.' };
  }
  // As the library asks (gpu.rs), so that both get the same one.
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    return { reason: `This browser knows WebGPU, but found no graphics adapter that it trusts with it. That is common on
      Linux, in virtual machines, and where hardware acceleration is off.` };
  }
  return { adapter };
}

export function explain(reason) {
  byId('without-reason').textContent = reason;
  byId('without').hidden = false;
}

export function showAdapter({ info, limits }) {
  const facts = [
    ['Vendor', info.vendor],
    ['Architecture', info.architecture],
    ['Device', info.device],
    ['Description', info.description],
    ['Kind', info.isFallbackAdapter ? 'software, on the CPU' : ''],
    ['Largest buffer', bytes(limits.maxBufferSize)],
    ['Largest binding', bytes(limits.maxStorageBufferBindingSize)],
    ['Invocations a workgroup', grouped(limits.maxComputeInvocationsPerWorkgroup)],
    ['Workgroups a dimension', grouped(limits.maxComputeWorkgroupsPerDimension)],
  ];
  // Browsers leave empty what they do not want to tell.
  const told = facts.filter(([, value]) => value);
  byId('device').replaceChildren(...told.map(([name, value]) =>
    element('div', {}, element('dt', { textContent: name }), element('dd', { textContent: value }))));
}
