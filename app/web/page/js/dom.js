// Helpers that build DOM nodes. Text enters the page only as text nodes; no file
// here uses innerHTML.

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

/** icon returns one symbol of icons.svg. It is decoration and hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** setText writes only a changed text, so that it neither clears a selection nor triggers a screen reader. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** show shows or hides a node. */
export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

export const byID = (id) => document.getElementById(id);

/** name returns a person's name as an element that isolates its text direction. */
export const name = (text) => h('bdi', {}, plainName(text));

/** setParts replaces a node's content by nodes and texts, only if the text changes. */
export function setParts(node, ...parts) {
  const fresh = h('span', {}, parts);
  if (node.textContent !== fresh.textContent || node.childElementCount !== fresh.childElementCount) node.replaceChildren(...fresh.childNodes);
}

/** isEnter reports a plain Enter that does not end an IME composition. Safari ends the composition before the key event, which then has keyCode 229. */
export const isEnter = (event) => event.key === 'Enter' && !event.shiftKey && !isComposing(event);

/** isComposing reports whether the key belongs to an IME composition. */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;
