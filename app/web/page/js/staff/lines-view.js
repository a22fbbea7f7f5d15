// What was said in the conversation that is open. Lines keep their elements; the end stays in view for who is there.

import { byID, h, setText, show } from '../dom.js';
import { MarkdownView } from '../markdown-view.js';

const NEAR = 60; // px from the end that still count as reading along
const FINISHES = { error: 'broke off', cancelled: 'stopped by the user', taken_over: 'cut off by the takeover', length: 'cut at the longest' };

export class LinesView {
  #desk;
  #list = byID('lines');
  #lines = new Map(); // item key → {node, update}
  #shown = null; // the store whose lines these are
  #found = false; // what was searched for has been brought into view

  constructor(desk) {
    this.#desk = desk;
    byID('earlier').addEventListener('click', () => this.#earlier());
    byID('later').addEventListener('click', () => desk.later());
    desk.addEventListener('talk', () => this.#draw());
  }

  #draw() {
    const { talk, reading } = this.#desk;
    if (!talk) return;
    if (this.#shown !== talk) {
      for (const { node } of this.#lines.values()) node.remove();
      this.#lines.clear();
      this.#shown = talk;
      this.#found = false;
    }
    const list = this.#list;
    const along = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;
    const gone = new Set(this.#lines.keys());
    talk.items().forEach((item, place) => {
      gone.delete(item.key);
      if (!this.#lines.has(item.key)) this.#lines.set(item.key, line(item));
      const { node, update } = this.#lines.get(item.key);
      update(item);
      node.dataset.seq = item.seq || '';
      if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
    });
    for (const key of gone) {
      this.#lines.get(key).node.remove();
      this.#lines.delete(key);
    }
    show(byID('earlier'), talk.oldest > 0);
    show(byID('later'), Boolean(reading?.later));
    if (reading?.seq) this.#bring(reading.seq);
    else if (along && !reading) list.scrollTop = list.scrollHeight;
  }

  // bring shows the event that was searched for, once: afterwards the reader scrolls.
  #bring(seq) {
    const node = this.#list.querySelector(`[data-seq="${Number(seq)}"]`);
    if (!node || this.#found) return;
    this.#found = true;
    node.classList.add('found');
    node.scrollIntoView({ block: 'center' });
    this.#list.focus({ preventScroll: true });
  }

  async #earlier() {
    const { scrollHeight, scrollTop } = this.#list;
    await this.#desk.earlier();
    this.#list.scrollTop = this.#list.scrollHeight - scrollHeight + scrollTop;
  }
}

function line(item) {
  if (item.kind === 'note') return { node: h('li', { class: 'line note' }, noted(item)), update: () => {} };
  const who = h('div', { class: 'who' });
  const answer = item.kind === 'answer';
  const said = h('div', { class: answer ? 'said markdown' : 'said' });
  const markdown = answer ? new MarkdownView(said) : null;
  const state = h('div', { class: 'state' });
  const node = h('li', { class: 'line' }, who, said, state);
  const update = (now) => {
    const admin = now.sender === 'admin' || now.mine;
    const kinds = ['line', answer ? 'model' : admin ? 'admin' : 'user'];
    if (answer && !now.done) kinds.push('running');
    if (node.classList.contains('found')) kinds.push('found');
    if (node.className !== kinds.join(' ')) node.className = kinds.join(' ');
    setText(who, answer ? 'Model' : admin ? now.adminName || 'You' : 'User');
    if (answer) markdown.update(now.text);
    else setText(said, now.content || now.filename || now.fileID || '');
    setText(state, answer ? FINISHES[now.finish] ?? '' : now.state === 'failed' ? now.error?.message ?? 'not sent' : '');
  };
  return { node, update };
}

function noted(item) {
  switch (item.type) {
    case 'admin_join': return `${item.adminName || item.adminID} took over`;
    case 'admin_leave': return `${item.adminName || item.adminID} handed back`;
    case 'help_request': return 'The user asks for a person';
    case 'model_select': return `Model: ${item.modelID}`;
    case 'session_ended': return item.reason === 'erased' ? 'Erased' : 'Ended';
    default: return item.type;
  }
}
