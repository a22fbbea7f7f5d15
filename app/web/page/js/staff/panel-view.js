// The details of a conversation: the user, the assignee, the tags, the rating.
// The notes have their own view.

import { byID, h, name, setParts, setText, show } from '../dom.js';
import { Menu } from '../menu.js';
import { plainName } from '../names.js';
import { chips } from './marks.js';
import { detailOf, whose } from './talk-view.js';

const WIDE = matchMedia('(min-width: 1101px)');
const MOST_TAGS = 20;

export class PanelView {
  #desk;
  #acts;
  #queue;
  #can;
  #open = WIDE.matches;

  constructor({ desk, acts, queue, can }) {
    this.#desk = desk;
    this.#acts = acts;
    this.#queue = queue;
    this.#can = can;
    byID('panel-toggle').addEventListener('click', () => this.#toggle(!this.#open));
    byID('panel-close').addEventListener('click', () => this.#toggle(false));
    WIDE.addEventListener('change', () => this.#toggle(WIDE.matches));
    this.#toggle(this.#open, false);
    show(byID('assign'), can.change);
    show(byID('tag-form'), can.change);
    new Menu(byID('assign'), () => this.#assignees());
    byID('tag-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#addTag();
    });
    queue.addEventListener('tags', () => byID('known-tags').replaceChildren(...queue.known.map(({ tag }) => h('option', { value: tag }))));
    desk.addEventListener('talk', () => this.#draw());
    desk.addEventListener('opened', () => WIDE.matches || this.#toggle(false, false)); // the panel would cover the conversation
  }

  #toggle(open, focus = true) {
    const inside = byID('panel').contains(document.activeElement);
    this.#open = open;
    show(byID('panel'), open);
    byID('talk').classList.toggle('beside', open);
    byID('panel-toggle').setAttribute('aria-expanded', String(open));
    if (focus && !open && inside) byID('panel-toggle').focus();
  }

  #draw() {
    const { card, me } = this.#desk;
    if (!this.#desk.talk) return;
    setParts(byID('panel-user'), ...whose(card));
    const to = card?.assigned_admin_id;
    setParts(byID('assignee'), ...(to ? [name(card.assigned_admin_name || to), to === me ? ' (you)' : ''] : ['Nobody']));
    setText(byID('assign'), to ? 'Change' : 'Assign');
    const remove = this.#can.change ? (tag) => this.#retag((tags) => tags.filter((one) => one !== tag)) : undefined;
    chips(byID('panel-tags'), this.#tags(), { remove });
    show(byID('no-tags'), this.#tags().length === 0 && !this.#can.change);
    const { rating } = card ?? {};
    show(byID('rating-part'), Boolean(rating));
    if (!rating) return;
    setText(byID('rating-stars'), '★'.repeat(rating.score) + '☆'.repeat(5 - rating.score));
    byID('rating-stars').setAttribute('aria-label', `${rating.score} of 5`);
    setText(byID('rating-words'), rating.comment ?? '');
  }

  #tags() {
    return this.#desk.card?.tags ?? [];
  }

  #addTag() {
    const tag = byID('tag').value.trim();
    byID('tag').value = '';
    if (tag) this.#retag((tags) => withTag(tags, tag), tag);
  }

  async #retag(change, added = '') {
    const { id } = this.#desk.talk;
    const here = () => this.#desk.talk?.id === id;
    try {
      await this.#acts.retag(id, this.#tags(), change);
      const { activeElement: at } = document;
      if (here() && (at === document.body || byID('panel').contains(at))) byID('tag').focus(); // does not move the focus of a user who has moved on
      this.#queue.lookAtTags();
    } catch (error) {
      if (here()) byID('tag').value ||= added;
      this.#desk.notice(error.message);
    }
  }

  async #assignees() {
    const { me, card, talk: { id } } = this.#desk;
    const colleagues = await this.#acts.colleagues();
    if (!colleagues.some((one) => one.admin_id === me)) colleagues.unshift({ admin_id: me, admin_name: this.#can.name, status: 'not connected' });
    const entries = colleagues.map((one) => ({
      label: one.admin_id === me ? 'Me' : plainName(one.admin_name || one.admin_id), detail: detailOf(one), current: one.admin_id === card?.assigned_admin_id,
      act: () => this.#assign(id, one),
    }));
    if (card?.assigned_admin_id) entries.push({ label: 'Nobody', detail: 'unassign', act: () => this.#assign(id, null) });
    return entries;
  }

  async #assign(id, colleague) {
    try {
      await this.#acts.assign(id, colleague);
      this.#queue.look();
    } catch (error) {
      this.#desk.notice(error.message);
    }
  }
}

// withTag adds a tag unless it is there, ignoring case.
function withTag(tags, tag) {
  if (tags.some((one) => one.toLowerCase() === tag.toLowerCase())) return tags;
  if (tags.length >= MOST_TAGS) throw new Error(`A conversation has ${MOST_TAGS} tags at the most.`);
  return [...tags, tag];
}
