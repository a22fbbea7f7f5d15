// Renders Markdown: builds nodes from the tree of markdown.js. Text becomes text
// nodes; links are http or https.

import { h, icon } from './dom.js';
import { elsewhere, parse } from './markdown.js';
import { tokens } from './highlight.js';
import { directionOf } from './names.js';

/** MarkdownView shows a growing text. Unchanged blocks keep their nodes, so that selection and scroll positions survive. */
export class MarkdownView {
  #root;
  #shown = [];

  constructor(root) {
    this.#root = root;
  }

  update(text) {
    const next = parse(text);
    levels(next, { last: LEAST - 1 });
    let same = 0;
    while (same < next.length && same < this.#shown.length && alike(this.#shown[same].block, next[same])) same += 1;
    for (const { node } of this.#shown.splice(same)) node.remove();
    for (const block of next.slice(same)) {
      const node = build(block);
      this.#shown.push({ block, node });
      this.#root.append(node);
    }
  }
}

const alike = (a, b) => a.kind === b.kind && a.raw === b.raw && a.closed === b.closed;

const LEAST = 3; // the page itself uses levels 1 and 2; headings in a text begin below them

// levels assigns heading levels without gaps, whatever levels the text uses.
function levels(blocks, at) {
  for (const block of blocks) {
    if (block.kind === 'heading') {
      block.place = Math.min(6, Math.max(LEAST, Math.min(block.level + LEAST - 1, at.last + 1)));
      at.last = block.place;
    }
    if (block.blocks) levels(block.blocks, at);
    for (const item of block.items ?? []) levels(item.blocks, at);
  }
}

function build(block) {
  switch (block.kind) {
    case 'heading': return h(`h${block.place}`, { class: `level-${block.level}`, dir: 'auto' }, spans(block.inline));
    case 'code': return codeBlock(block);
    case 'rule': return h('hr');
    case 'quote': return whole(h('blockquote', {}, block.blocks.map(build)));
    case 'list': return listOf(block);
    case 'table': return tableOf(block);
    default: return h('p', { dir: 'auto' }, spans(block.inline));
  }
}

function spans(nodes) {
  return nodes.map((node) => {
    if (typeof node === 'string') return document.createTextNode(node);
    switch (node.kind) {
      case 'code': return h('code', { dir: 'auto' }, node.text);
      case 'break': return h('br');
      case 'link': return linkTo(node);
      default: return h(node.kind, {}, spans(node.children));
    }
  });
}

// linkTo shows where a link leads if its text names another host.
function linkTo(node) {
  const link = h('a', { href: node.href, title: node.href, target: '_blank', rel: 'noopener noreferrer nofollow' }, spans(node.children));
  const place = elsewhere(link.textContent, node.href);
  return place ? h('span', {}, link, h('span', { class: 'leads' }, ` (${place})`)) : link;
}

// whole sets the direction of a list, table or quotation from its first letter,
// so that its markers and columns are on that side. The browser's `auto` ignores
// parts that have a direction of their own.
function whole(node) {
  const direction = directionOf(node.textContent);
  if (direction) node.dir = direction;
  return node;
}

function listOf(block) {
  const items = block.items.map((item) => {
    const body = item.blocks.flatMap((child) => (child.kind === 'paragraph' && !block.loose ? spans(child.inline) : [build(child)]));
    if (item.checked === null) return h('li', {}, body);
    return h('li', { class: 'task' }, h('input', { type: 'checkbox', disabled: true, checked: item.checked, 'aria-label': item.checked ? 'done' : 'open' }), ' ', body);
  });
  return whole(block.ordered ? h('ol', { start: block.start === 1 ? null : block.start }, items) : h('ul', {}, items));
}

function tableOf(block) {
  const cell = (tag, nodes, column) => h(tag, { class: block.align[column] || null, dir: 'auto', scope: tag === 'th' ? 'col' : null }, spans(nodes));
  return h('div', { class: 'table', tabindex: '0', role: 'group', 'aria-label': 'Table' }, whole(h('table', {},
    h('thead', {}, h('tr', {}, block.head.map((nodes, column) => cell('th', nodes, column)))),
    h('tbody', {}, block.rows.map((row) => h('tr', {}, row.map((nodes, column) => cell('td', nodes, column))))),
  )));
}

function codeBlock(block) {
  const lines = tokens(block.lang, block.text).map(({ kind, text }) => (kind ? h('span', { class: `t-${kind}` }, text) : text));
  const button = copyButton(() => block.text, 'Copy code');
  return h('figure', { class: 'code', dir: 'ltr' },
    h('figcaption', {}, h('span', {}, block.lang || 'text'), button),
    h('pre', { tabindex: '0', role: 'group', 'aria-label': 'Code' }, h('code', {}, lines)),
  );
}

/** copyButton copies the result of `text()` and briefly confirms it. */
export function copyButton(text, label) {
  const word = h('span', {}, 'Copy');
  const button = h('button', { type: 'button', class: 'quiet copy', 'aria-label': label, title: label }, icon('copy'), word);
  button.addEventListener('click', async () => {
    const done = await copy(text());
    word.textContent = done ? 'Copied' : 'Press Ctrl+C';
    setTimeout(() => { word.textContent = 'Copy'; }, 1600);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no permission, or plain http from another host
  }
}
