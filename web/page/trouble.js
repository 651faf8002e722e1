// What goes wrong outside of any call, where nobody could catch it: errors of the device, its loss, faults of the page.

import { byId, element } from './dom.js';

const MOST = 5;
const lead = {
  error: 'The device reported an error: ',
  lost: 'The device was lost. Reload the page to open it again. ',
  panic: 'The program stopped. Reload the page. ',
  page: '',
};

export function trouble(kind, message) {
  const list = byId('trouble-list');
  // One cause often gives many errors; the first ones tell.
  if (list.childElementCount < MOST) {
    list.append(element('li', { textContent: lead[kind] + message }));
  }
  byId('trouble').hidden = false;
}

export function watchThePage() {
  addEventListener('error', event => trouble('page', event.message));
  addEventListener('unhandledrejection', event => trouble('page', String(event.reason?.message ?? event.reason)));
}
