// Building DOM nodes. Text enters the page only as text nodes: there is no innerHTML anywhere in these files.

import { plainName } from './names.js';

const SVG = 'http://www.w3.org/2000/svg';

/** h('button', {class: 'quiet', onclick: f, 'aria-label': 'Stop'}, 'text', node, …) makes one element. */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** icon draws one symbol of icons.svg; decoration, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** setText writes only when it changes, so that a selection and an idle screen reader are left alone. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** show hides and unhides. */
export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

export const byID = (id) => document.getElementById(id);

/** name is what a person is called, as an element of its own that cannot turn the text around it. */
export const name = (text) => h('bdi', {}, plainName(text));

/** setParts writes nodes and texts in place of what a node shows, only when that reads otherwise. */
export function setParts(node, ...parts) {
  const fresh = h('span', {}, parts);
  if (node.textContent !== fresh.textContent || node.childElementCount !== fresh.childElementCount) node.replaceChildren(...fresh.childNodes);
}

/** isEnter: Enter alone, and not the one that ends the input of a word. Safari ends that before it tells of the key, which then has the number 229. */
export const isEnter = (event) => event.key === 'Enter' && !event.shiftKey && !isComposing(event);

/** isComposing: the key belongs to an input method, which chooses a word with it. */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;
