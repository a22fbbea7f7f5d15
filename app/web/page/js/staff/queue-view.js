// The list of conversations. Rows keep their elements, so that focus and scroll
// survive a refresh.

import { byID, h, name, setParts, setText, show } from '../dom.js';
import { plainName } from '../names.js';
import { ago, plural, span } from '../time.js';
import { badge, chips, stars } from './marks.js';
import { whose } from './talk-view.js';

const EMPTY = {
  waiting: 'Nobody is waiting.', mine: 'You hold no conversation.', assigned: 'Nothing is assigned to you.', all: 'There is no conversation yet.',
};

const WHO = { ai: 'Model: ', admin: 'Staff: ' };

const NARROW = matchMedia('(max-width: 820px)');

export class QueueView {
  #desk;
  #queue;
  #rows = new Map(); // session id → {node, update}
  #left = ''; // the conversation that was open before
  #wanted = ''; // the conversation to scroll to once the list has it

  constructor(desk, queue) {
    this.#desk = desk;
    this.#queue = queue;
    for (const button of byID('filters').children) button.addEventListener('click', () => queue.choose({ filter: button.dataset.filter }));
    byID('more').addEventListener('click', () => queue.more());
    byID('list').addEventListener('keydown', (event) => this.#walk(event));
    byID('tag-filter').addEventListener('change', (event) => this.#addTag(event.target.value));
    queue.addEventListener('list', () => this.#draw());
    queue.addEventListener('tags', () => this.#drawTags());
    desk.addEventListener('talk', () => this.#mark());
    desk.addEventListener('opened', () => this.#refocus());
    setInterval(() => this.#draw(), 15_000); // updates the waiting times
  }

  focus() {
    (byID('list').querySelector('button') ?? byID('list')).focus();
  }

  /** jumpTo shows this member's list of held conversations and scrolls to the one just taken over. */
  jumpTo(id) {
    this.#wanted = id;
    if (this.#queue.filter === 'mine' && this.#queue.tags.length === 0) this.#queue.look();
    else {
      this.#queue.choose({ filter: 'mine', tags: [] });
      this.#drawTags();
    }
  }

  #bring() {
    const row = this.#rows.get(this.#wanted);
    if (!row || this.#queue.filter !== 'mine') return;
    this.#wanted = '';
    row.node.scrollIntoView({ block: 'nearest' });
  }

  // refocus moves the focus in a narrow window, where the list and the
  // conversation replace each other.
  #refocus() {
    const { talk } = this.#desk;
    const left = this.#left;
    this.#left = talk?.id ?? '';
    if (talk && NARROW.matches) byID('back').focus();
    if (!talk) (this.#rows.get(left)?.button ?? byID('list')).focus();
  }

  #draw() {
    const { sessions, filter, next, tags } = this.#queue;
    for (const button of byID('filters').children) button.setAttribute('aria-pressed', String(button.dataset.filter === filter));
    this.#drawCounters();
    const gone = new Set(this.#rows.keys());
    const list = byID('list');
    sessions.forEach((session, place) => {
      gone.delete(session.id);
      if (!this.#rows.has(session.id)) this.#rows.set(session.id, this.#row(session.id));
      const row = this.#rows.get(session.id);
      row.update(session);
      if (list.children[place] !== row.node) list.insertBefore(row.node, list.children[place] ?? null);
    });
    for (const id of gone) {
      this.#rows.get(id).node.remove();
      this.#rows.delete(id);
    }
    this.#mark();
    this.#bring();
    setText(byID('nobody'), tags.length ? 'No conversation here has these tags.' : EMPTY[filter]);
    show(byID('nobody'), this.#queue.read && sessions.length === 0);
    show(byID('more'), Boolean(next));
  }

  #drawCounters() {
    const { waiting = 0, mine = 0, mine_unread: unread = 0, assigned = 0, longest_wait_seconds: longest = 0 } = this.#queue.counters;
    count('waiting-count', waiting, 'waiting');
    count('mine-count', unread || mine, unread ? 'unread' : 'held');
    byID('mine-count').classList.toggle('unread', unread > 0);
    count('assigned-count', assigned, 'assigned');
    setText(byID('longest'), waiting && longest ? `Longest wait ${span(longest * 1000)}` : '');
    document.title = waiting + unread ? `(${waiting + unread}) Chatbox · Staff` : 'Chatbox · Staff';
  }

  #drawTags() {
    const { tags, known } = this.#queue;
    byID('tag-filter').replaceChildren(h('option', { value: '' }, tags.length ? 'And tag…' : 'Any tag'),
      ...known.filter(({ tag }) => !tags.includes(tag)).map(({ tag, sessions }) => h('option', { value: tag }, `${tag} (${sessions})`)));
    byID('tag-filter').value = '';
    chips(byID('tag-chosen'), tags, { remove: (tag) => this.#tagsAre(tags.filter((one) => one !== tag)), of: 'filter' });
    show(byID('tags-row'), known.length > 0 || tags.length > 0);
  }

  #addTag(tag) {
    if (tag) this.#tagsAre([...this.#queue.tags, tag]);
  }

  #tagsAre(tags) {
    this.#queue.choose({ tags });
    this.#drawTags();
    byID('tag-filter').focus();
  }

  #mark() {
    for (const [id, { button }] of this.#rows) {
      if (id === this.#desk.talk?.id) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
    }
  }

  #row(id) {
    const parts = Object.fromEntries(['name', 'since', 'facts', 'unread', 'words', 'tags', 'flag', 'score'].map((part) => [part, h('span', { class: part })]));
    for (const part of ['name', 'words']) parts[part].dir = 'auto';
    const button = h('button', { type: 'button', class: 'talk-row', 'data-session': id, onclick: () => this.#desk.open(id) },
      parts.name, parts.since, parts.facts, parts.unread, parts.words,
      h('span', { class: 'last' }, parts.tags, parts.flag, parts.score));
    return { node: h('li', {}, button), button, update: (s) => this.#fill(parts, s) };
  }

  #fill(parts, s) {
    const waits = this.#queue.filter === 'waiting' && s.waiting_since;
    const place = this.#queue.placeOf(s.id);
    setText(parts.name, plainName(s.name || s.id));
    setText(parts.since, waits ? span(Date.now() - Date.parse(s.waiting_since)) : ago(s.last_activity));
    parts.since.classList.toggle('waits', Boolean(waits));
    setParts(parts.facts, place ? `#${place} · ` : '', ...whose(s), ` · ${plural(s.message_count, 'message')}`);
    const { sender, excerpt = '' } = this.#queue.words.get(s.id) ?? {};
    setParts(parts.words, ...(excerpt ? [WHO[sender] ?? '', name(excerpt)] : []));
    badge(parts.unread, s.unread);
    chips(parts.tags, s.tags ?? []);
    setParts(parts.flag, ...flagOf(s, this.#queue));
    stars(parts.score, s.rating);
  }

  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const rows = [...byID('list').querySelectorAll('button')];
    rows.at((rows.indexOf(document.activeElement) + step) % rows.length)?.focus();
  }
}

function flagOf(s, { filter, me }) {
  if (s.status === 'ended') return ['ended'];
  if (s.assisting_admin_id) return s.assisting_admin_id === me ? ['with you'] : ['with ', name(s.assisting_admin_name || s.assisting_admin_id)];
  if (s.assigned_admin_id) return s.assigned_admin_id === me ? ['for you'] : ['for ', name(s.assigned_admin_name || s.assigned_admin_id)];
  return s.waiting_since && filter !== 'waiting' ? ['asks for help'] : [];
}

function count(id, n, said) {
  const node = byID(id);
  setText(node, n ? String(n) : '');
  node.title = n ? `${n} ${said}` : '';
}
