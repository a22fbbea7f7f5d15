// A menu that opens from a button. Arrows, Home, End and first letters move in
// it; Escape and Tab close it.

import { h, setText, show } from './dom.js';

export class Menu {
  #button;
  #node;
  #load;

  /** load() returns the entries [{label, detail, act, current, disabled}] or a promise of them. It is called each time the menu opens. */
  constructor(button, load) {
    this.#button = button;
    this.#load = load;
    this.#node = h('div', { class: 'menu', role: 'menu', hidden: true, 'aria-label': button.getAttribute('aria-label') ?? button.textContent.trim() });
    button.after(this.#node);
    button.parentElement.classList.add('menu-anchor');
    button.setAttribute('aria-haspopup', 'menu');
    button.setAttribute('aria-expanded', 'false');
    button.addEventListener('click', () => (this.#node.hidden ? this.#open() : this.close()));
    button.addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowDown') return;
      event.preventDefault();
      this.#open();
    });
    this.#node.addEventListener('keydown', (event) => this.#key(event));
    document.addEventListener('click', (event) => {
      if (!this.#node.hidden && !this.#node.contains(event.target) && !button.contains(event.target)) this.close();
    });
  }

  close(refocus = false) {
    show(this.#node, false);
    this.#button.setAttribute('aria-expanded', 'false');
    if (refocus) this.#button.focus();
  }

  async #open() {
    this.#button.setAttribute('aria-expanded', 'true');
    this.#node.replaceChildren(h('p', { class: 'menu-wait' }, 'Loading…'));
    show(this.#node, true);
    let entries;
    try {
      entries = await this.#load();
    } catch (error) {
      entries = [];
      setText(this.#node.firstChild, error.message);
    }
    if (this.#node.hidden || entries.length === 0) return;
    this.#node.replaceChildren(...entries.map((entry) => this.#entry(entry)));
    (this.#entries().find((one) => one.hasAttribute('aria-current')) ?? this.#entries()[0])?.focus();
  }

  #entry({ label, detail, act, current, disabled }) {
    return h('button', {
      type: 'button', role: 'menuitem', tabindex: '-1', disabled, 'aria-current': current ? 'true' : null,
      dir: 'auto',
      onclick: () => {
        this.close(true);
        act();
      },
    }, h('span', { class: 'menu-label' }, label), detail ? h('span', { class: 'menu-detail' }, detail) : null);
  }

  #entries() {
    return [...this.#node.querySelectorAll('button:enabled')];
  }

  #key(event) {
    const entries = this.#entries();
    const at = entries.indexOf(document.activeElement);
    const to = {
      ArrowDown: () => (at + 1) % entries.length, ArrowUp: () => (at - 1 + entries.length) % entries.length,
      Home: () => 0, End: () => entries.length - 1,
    }[event.key];
    if (event.key === 'Escape') this.close(true);
    else if (event.key === 'Tab') this.close(true); // the browser then moves the focus from the button
    else if (to) entries[to()]?.focus();
    else if (/^\S$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const again = [...entries.slice(at + 1), ...entries.slice(0, at + 1)];
      again.find((one) => one.textContent.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    } else return;
    if (event.key !== 'Tab') event.preventDefault();
  }
}
