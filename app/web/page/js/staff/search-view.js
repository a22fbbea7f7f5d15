// The search: its form, its hits, and opening a hit's conversation.

import { byID, h, setText, show } from '../dom.js';
import { plainName } from '../names.js';
import { ago } from '../time.js';
import { chips } from './marks.js';
import { marked, searchOf } from './search.js';
import { whose } from './talk-view.js';

const PATIENCE = 5; // empty pages in a row before the user must ask for more

export class SearchView {
  #api;
  #onOpen;
  #asked = null; // {form, cursor} of the hits shown
  #look = 0;
  #chosen = null; // the button of the opened hit

  /** onOpen(session, seq) opens the chosen hit. */
  constructor(api, queue, { onOpen }) {
    this.#api = api;
    this.#onOpen = onOpen;
    byID('search-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#search(Object.fromEntries(new FormData(event.target)), '');
    });
    byID('more-hits').addEventListener('click', () => this.#search(this.#asked.form, this.#asked.cursor));
    byID('hits').addEventListener('keydown', (event) => this.#walk(event));
    queue.addEventListener('tags', () => {
      const chosen = byID('search-tag').value;
      byID('search-tag').replaceChildren(h('option', { value: '' }, 'Any'), ...queue.known.map(({ tag }) => h('option', { value: tag }, tag)));
      byID('search-tag').value = chosen;
    });
  }

  /** open moves the focus back to the last chosen hit, or to the search box. */
  open() {
    (this.#chosen?.isConnected ? this.#chosen : byID('search-q')).focus();
  }

  async #search(form, cursor) {
    const look = ++this.#look;
    if (!searchOf(form)) {
      this.#say('Fill in at least one field.');
      return;
    }
    this.#say('Searching…');
    try {
      const page = await this.#page(form, cursor);
      if (look !== this.#look) return;
      const rows = page.results.map((hit) => this.#row(hit, form.q ?? ''));
      if (cursor) byID('hits').append(...rows);
      else byID('hits').replaceChildren(...rows);
      this.#asked = { form, cursor: page.next_cursor ?? '' };
      show(byID('more-hits'), this.#asked.cursor !== '');
      const n = byID('hits').children.length;
      if (!n && this.#asked.cursor) this.#say('Nothing so far; there is more to look through.');
      else this.#say(n ? `${n}${this.#asked.cursor ? ' or more' : ''} found` : 'Nothing was found. Words are compared whole: “invoice” does not find “invoices”.');
      if (cursor) rows[0]?.firstChild.focus();
    } catch (error) {
      if (look === this.#look) this.#say(error.message);
    }
  }

  // page reads further pages while the server returns empty ones.
  async #page(form, cursor) {
    let page = { results: [], next_cursor: cursor };
    for (let turn = 0; turn < PATIENCE; turn += 1) {
      page = await this.#api.call('GET', `admin/search?${searchOf(form, page.next_cursor)}`);
      if (page.results.length || !page.next_cursor) break;
    }
    return page;
  }

  #say(text) {
    setText(byID('search-state'), text);
  }

  #row({ session, message }, q) {
    const tags = h('span', { class: 'tags' });
    chips(tags, session.tags ?? []);
    return h('li', {}, h('button', { type: 'button', class: 'hit', 'data-session': session.id, onclick: (event) => {
      this.#chosen = event.currentTarget;
      this.#onOpen(session, message?.seq ?? 0);
    } },
      h('span', { class: 'name', dir: 'auto' }, plainName(session.name || session.id)), h('span', { class: 'since' }, ago(message?.timestamp ?? session.last_activity)),
      h('span', { class: 'facts' }, ...whose(session), [WHO[message?.sender], session.status === 'ended' ? 'ended' : ''].filter(Boolean).map((one) => ` · ${one}`).join('')), tags,
      message ? h('span', { class: 'excerpt', dir: 'auto' }, marked(message.excerpt, q).map(({ text, hit }) => (hit ? h('mark', {}, text) : text))) : null));
  }

  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const rows = [...byID('hits').querySelectorAll('button')];
    rows.at((rows.indexOf(document.activeElement) + step) % rows.length)?.focus();
  }
}

const WHO = { user: 'said by the user', ai: 'said by the model', admin: 'said by staff', system: 'said in a recording' };
