// Markdown on the page: nodes built from the tree of markdown.js. Text becomes text nodes, links are http or https.

import { h, icon } from './dom.js';
import { elsewhere, parse } from './markdown.js';
import { tokens } from './highlight.js';
import { directionOf } from './names.js';

/** MarkdownView shows a growing text. Blocks that did not change keep their nodes: selection and scrolled code survive. */
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

const LEAST = 3; // the page has its own first and second level; a text's headings begin below them

// levels gives each heading its place in the page's order, which skips none, however a text has numbered them.
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

// linkTo says where a link leads when its text names another place.
function linkTo(node) {
  const link = h('a', { href: node.href, title: node.href, target: '_blank', rel: 'noopener noreferrer nofollow' }, spans(node.children));
  const place = elsewhere(link.textContent, node.href);
  return place ? h('span', {}, link, h('span', { class: 'leads' }, ` (${place})`)) : link;
}

// whole gives a list, a table or a quotation the direction of its first letter: its marks and columns stand on that side. The
// browser's own `auto` does not look into parts that have a direction of their own.
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

/** copyButton copies what `text()` returns and says so for a moment. */
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
