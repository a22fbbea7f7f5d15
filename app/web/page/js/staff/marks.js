// Small elements used by several views: tags as chips, a rating as stars.

import { h, icon } from '../dom.js';
import { inText, plainName } from '../names.js';

/** chips draws changed tags into a node. With `remove` each tag has a button that removes it. */
export function chips(node, tags, { remove, of = 'conversation' } = {}) {
  const stamp = JSON.stringify([tags, Boolean(remove)]);
  if (node.dataset.stamp === stamp) return;
  node.dataset.stamp = stamp;
  node.replaceChildren(...tags.map((tag) => h('span', { class: 'chip' }, h('bdi', { class: 'chip-text' }, plainName(tag)), remove
    ? h('button', { type: 'button', 'aria-label': `Take the tag ${inText(tag)} off the ${of}`, onclick: () => remove(tag) }, icon('close')) : null)));
}

/** stars shows a rating as "★ 4", or nothing without a rating. */
export function stars(node, rating) {
  const text = rating ? String(rating.score) : '';
  if ((node.dataset.score ?? '') === text) return;
  node.dataset.score = text;
  node.title = rating?.comment ?? '';
  node.replaceChildren(...(text ? [h('span', { 'aria-hidden': 'true' }, `★ ${text}`), h('span', { class: 'hidden' }, `rated ${text} of 5`)] : []));
}

/** badge shows the number of messages without a reply. */
export function badge(node, n) {
  const text = n ? String(n) : '';
  if ((node.dataset.n ?? '') === text) return;
  node.dataset.n = text;
  node.replaceChildren(...(text ? [text, h('span', { class: 'hidden' }, ' unread')] : []));
}
