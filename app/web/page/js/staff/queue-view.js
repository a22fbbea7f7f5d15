// The list of conversations. Rows keep their elements, so that focus and scroll survive a refresh.

import { byID, h, setText, show } from '../dom.js';

const EMPTY = { waiting: 'Nobody is waiting.', mine: 'You hold no conversation.', all: 'There is no conversation yet.' };

export class QueueView {
  #desk;
  #rows = new Map(); // session id → {node, update}

  constructor(desk) {
    this.#desk = desk;
    for (const button of byID('filters').children) button.addEventListener('click', () => desk.show(button.dataset.filter));
    byID('more').addEventListener('click', () => desk.more());
    byID('list').addEventListener('keydown', (event) => this.#walk(event));
    document.querySelector('.skip').addEventListener('click', (event) => {
      event.preventDefault();
      (byID('list').querySelector('button') ?? byID('list')).focus();
    });
    desk.addEventListener('list', () => this.#draw());
    desk.addEventListener('me', () => setText(byID('who'), desk.me));
  }

  #draw() {
    const { sessions, filter, waiting, next } = this.#desk;
    for (const button of byID('filters').children) button.setAttribute('aria-pressed', String(button.dataset.filter === filter));
    setText(byID('waiting-count'), waiting ? String(waiting) : '');
    const gone = new Set(this.#rows.keys());
    const list = byID('list');
    sessions.forEach((session, place) => {
      gone.delete(session.id);
      if (!this.#rows.has(session.id)) this.#rows.set(session.id, this.#row(session.id));
      const row = this.#rows.get(session.id);
      row.update(session, session.id === this.#desk.talk?.id);
      if (list.children[place] !== row.node) list.insertBefore(row.node, list.children[place] ?? null);
    });
    for (const id of gone) {
      this.#rows.get(id).node.remove();
      this.#rows.delete(id);
    }
    setText(byID('nobody'), EMPTY[filter]);
    show(byID('nobody'), sessions.length === 0);
    show(byID('more'), Boolean(next));
  }

  #row(id) {
    const name = h('span', { class: 'name' });
    const since = h('span', { class: 'since' });
    const facts = h('span', { class: 'facts' });
    const flag = h('span', { class: 'flag' });
    const button = h('button', { type: 'button', class: 'talk-row', 'data-session': id, onclick: () => this.#desk.open(id) }, name, since, facts, flag);
    const update = (s, open) => {
      setText(name, s.name || s.id);
      setText(since, ago(s.last_activity));
      setText(facts, `${s.user_id} · ${s.message_count} events`);
      setText(flag, s.status === 'ended' ? 'ended' : s.assisting_admin_id ? s.assisting_admin_name || s.assisting_admin_id : s.help_requested ? 'asks for help' : '');
      if (open) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
    };
    return { node: h('li', {}, button), update };
  }

  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const rows = [...byID('list').querySelectorAll('button')];
    rows.at((rows.indexOf(document.activeElement) + step) % rows.length)?.focus();
  }
}

function ago(time) {
  const minutes = Math.floor((Date.now() - Date.parse(time)) / 60_000);
  if (minutes < 1) return 'now';
  if (minutes < 60) return `${minutes} min`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}
