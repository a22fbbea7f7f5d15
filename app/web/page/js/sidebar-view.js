// The list of sessions, which is a drawer in a narrow window.

import { byID, h, icon, show } from './dom.js';
import { plainName } from './names.js';

const DAY = 86_400_000;

export class SidebarView {
  #chat;
  #nav = byID('sidebar');
  #list = byID('sessions');
  #toggle = byID('drawer-toggle');
  #narrow = matchMedia('(max-width: 820px)');

  constructor(chat) {
    this.#chat = chat;
    byID('new').addEventListener('click', () => {
      chat.create();
      this.close();
    });
    byID('more-sessions').addEventListener('click', () => chat.loadMoreSessions());
    this.#toggle.addEventListener('click', () => (this.isOpen ? this.close() : this.#open()));
    byID('backdrop').addEventListener('click', () => this.close());
    this.#narrow.addEventListener('change', () => this.#settle());
    this.#settle();
    chat.addEventListener('sessions', () => this.#draw());
    chat.addEventListener('switched', () => this.#draw());
  }

  get isOpen() {
    return document.body.classList.contains('drawer-open');
  }

  close() {
    if (!this.isOpen) return;
    document.body.classList.remove('drawer-open');
    this.#settle();
    this.#toggle.focus();
  }

  #open() {
    document.body.classList.add('drawer-open');
    this.#settle();
    byID('new').focus();
  }

  // A closed drawer must be unreachable for keyboard and screen readers too.
  #settle() {
    if (!this.#narrow.matches) document.body.classList.remove('drawer-open');
    this.#nav.inert = this.#narrow.matches && !this.isOpen;
    this.#toggle.setAttribute('aria-expanded', String(this.isOpen));
  }

  #draw() {
    const { current, list } = this.#chat;
    const known = list.some((session) => session.id === current.id);
    const all = known || current.isEmpty ? list : [{ id: current.id, fresh: true, last_activity: new Date().toISOString() }, ...list];
    const focused = document.activeElement?.dataset?.session;
    let group = '';
    let rows = null;
    const parts = [];
    for (const session of all) {
      const name = groupOf(session.last_activity);
      if (name !== group || !rows) {
        rows = h('ul', { role: 'list', 'aria-label': name });
        parts.push(h('h2', { class: 'group' }, name), rows);
      }
      group = name;
      rows.append(this.#row(session));
    }
    if (parts.length === 0) parts.push(h('p', { class: 'nothing' }, 'Your conversations will be listed here.'));
    this.#list.replaceChildren(...parts);
    if (focused) this.#list.querySelector(`[data-session="${CSS.escape(focused)}"]`)?.focus();
    show(byID('more-sessions'), Boolean(this.#chat.more));
  }

  #row(session) {
    const selected = session.id === this.#chat.current.id;
    const ended = session.status === 'ended';
    const mark = this.#chat.isRunning(session.id) ? h('span', { class: 'dot running' }, h('span', { class: 'hidden' }, 'answer running'))
      : this.#chat.isUnread(session.id) ? h('span', { class: 'dot' }, h('span', { class: 'hidden' }, 'unread')) : null;
    return h('li', {}, h('button', {
      type: 'button', class: `session${ended ? ' ended' : ''}`, 'data-session': session.id, 'aria-current': selected ? 'true' : null,
      onclick: () => {
        this.#chat.open(session.id);
        this.close();
      },
    }, h('span', { class: 'name', dir: 'auto' }, plainName(this.#chat.nameOf(session.id))), ended ? h('span', { class: 'tag' }, 'ended') : null,
    session.admin_assisted ? icon('person') : null, mark));
  }
}

function groupOf(timestamp) {
  const then = new Date(timestamp);
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (!(then.getTime() < midnight)) return 'Today';
  if (then.getTime() >= midnight - DAY) return 'Yesterday';
  if (then.getTime() >= midnight - 6 * DAY) return 'This week';
  return then.toLocaleDateString([], { month: 'long', year: 'numeric' });
}
