// Chooses a canned reply by keyboard: "/" at the start of an empty reply, or the
// button beside it.

import { byID, h, isComposing, setText, show } from '../dom.js';
import { gapsIn, matching } from './replies.js';

const SHOWN = 50; // filtering is quicker than scrolling a longer list

export class ReplyPicker {
  #desk;
  #replies;
  #box = byID('words');
  #input = byID('picker-filter');
  #list = byID('picker-list');
  #found = [];
  #at = 0;
  #filling = false; // a reply is being inserted
  #slash = false; // opened by typing, so the typed text is part of the message

  constructor(desk, replies) {
    this.#desk = desk;
    this.#replies = replies;
    byID('canned').addEventListener('click', () => (byID('picker').hidden ? this.#open(false) : this.#close()));
    this.#box.addEventListener('input', (event) => {
      if (event.data === '/' && this.#box.value === '/') this.#open(true);
      this.#drawGaps();
    });
    this.#box.addEventListener('filled', () => {
      if (this.#box.value === '') this.#gaps([]);
      else this.#drawGaps();
      this.#close(false);
    });
    this.#input.addEventListener('input', () => this.#filter());
    this.#input.addEventListener('keydown', (event) => this.#key(event));
    byID('picker').addEventListener('focusout', (event) => {
      if (!byID('picker').contains(event.relatedTarget) && event.relatedTarget !== byID('canned')) this.#close(false);
    });
    replies.addEventListener('replies', () => !byID('picker').hidden && this.#filter());
  }

  #open(slash) {
    this.#slash = slash;
    this.#input.value = '';
    show(byID('picker'), true);
    byID('canned').setAttribute('aria-expanded', 'true');
    this.#filter();
    this.#input.focus();
    this.#replies.look().catch((error) => setText(byID('picker-none'), error.message));
  }

  // close keeps the typed text, because a message may begin with a slash.
  #close(refocus = true) {
    if (byID('picker').hidden) return;
    show(byID('picker'), false);
    byID('canned').setAttribute('aria-expanded', 'false');
    if (this.#slash && this.#box.value === '/') this.#box.value = `/${this.#input.value}`;
    if (refocus) this.#box.focus();
  }

  #filter() {
    this.#found = matching(this.#replies.list, this.#input.value).slice(0, SHOWN);
    this.#at = 0;
    this.#list.replaceChildren(...this.#found.map((reply, i) => h('li', {
      id: `picker-${i}`, role: 'option', class: 'picker-row', 'aria-selected': 'false',
      // The mouse press must not move the focus, which would close the list.
      onmousedown: (event) => event.preventDefault(), onclick: () => this.#insert(reply),
    }, h('span', { class: 'picker-shortcut' }, `/${reply.shortcut}`), h('span', { class: 'picker-title' }, reply.title ?? ''), h('span', { class: 'picker-text', dir: 'auto' }, reply.text))));
    setText(byID('picker-none'), this.#replies.list.length ? 'No canned reply fits. Esc goes back to the text.' : 'There is no canned reply yet. They are made under Settings.');
    show(byID('picker-none'), this.#found.length === 0);
    this.#select(0);
  }

  #select(at) {
    this.#list.children[this.#at]?.setAttribute('aria-selected', 'false');
    this.#at = at;
    const row = this.#list.children[at];
    row?.setAttribute('aria-selected', 'true');
    row?.scrollIntoView({ block: 'nearest' });
    if (row) this.#input.setAttribute('aria-activedescendant', row.id);
    else this.#input.removeAttribute('aria-activedescendant');
  }

  #key(event) {
    const n = this.#found.length;
    if (isComposing(event)) return;
    if (event.key === 'Escape') this.#close();
    else if (event.key === 'Backspace' && this.#slash && this.#input.value === '') {
      this.#box.value = '';
      this.#close();
    } else if (event.key === 'ArrowDown' && n) this.#select((this.#at + 1) % n);
    else if (event.key === 'ArrowUp' && n) this.#select((this.#at - 1 + n) % n);
    else if (event.key === 'Enter') {
      if (n) this.#insert(this.#found[this.#at]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  async #insert(reply) {
    if (this.#filling) return; // pressed twice
    this.#filling = true;
    const { id } = this.#desk.talk;
    let filled;
    try {
      filled = await this.#replies.render(reply.id, id);
    } catch (error) {
      this.#desk.notice(error.message);
      return;
    } finally {
      this.#filling = false;
    }
    if (this.#desk.talk?.id !== id) return;
    const box = this.#box;
    if (this.#slash) box.value = '';
    this.#slash = false;
    show(byID('picker'), false);
    byID('canned').setAttribute('aria-expanded', 'false');
    const at = box.selectionStart;
    box.setRangeText(filled.content, at, box.selectionEnd, 'end');
    box.focus();
    this.#gaps(gapsIn(filled.content, filled.missing ?? []));
    const [gap] = this.#gapsLeft();
    if (gap) box.setSelectionRange(box.value.indexOf(gap), box.value.indexOf(gap) + gap.length);
    box.dispatchEvent(new Event('input'));
  }

  #gaps(list) {
    if (list.length) this.#box.dataset.gaps = JSON.stringify(list);
    else delete this.#box.dataset.gaps;
    this.#drawGaps();
  }

  #gapsLeft() {
    return JSON.parse(this.#box.dataset.gaps ?? '[]').filter((gap) => this.#box.value.includes(gap));
  }

  #drawGaps() {
    const left = this.#gapsLeft();
    show(byID('gaps'), left.length > 0);
    setText(byID('gaps'), left.length ? `Not known, please fill in: ${left.join(' ')}` : '');
  }
}
