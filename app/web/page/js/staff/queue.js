// The lists of conversations and the counters over REST. No DOM: a view draws
// them.

const EVERY = 5000; // ms between reads; a notification triggers one at once
const HINTS = 1000; // ms between reads triggered by notifications
const PAGE = 50;
const MOST = 1000; // sessions per response

// The query of each list; `me` is replaced by the member's id.
const LISTS = {
  waiting: { status: 'active', waiting: 'true', sort_by: 'waiting_since', sort_order: 'asc' },
  mine: { status: 'active', held_by: 'me', sort_by: 'last_activity', sort_order: 'desc' },
  assigned: { status: 'active', assigned_to: 'me', sort_by: 'last_activity', sort_order: 'desc' },
  all: { sort_by: 'last_activity', sort_order: 'desc' },
};

/** queryOf returns a list's query: assignee, tags, limit and cursor. */
export function queryOf(list, { me, tags = [], limit = PAGE, cursor = '' }) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(LISTS[list])) query.set(name, value === 'me' ? me : value);
  for (const tag of tags) query.append('tag', tag);
  query.set('limit', String(limit));
  if (cursor) query.set('cursor', cursor);
  return query.toString();
}

export class Queue extends EventTarget {
  filter = 'waiting';
  tags = []; // all listed conversations have all of them
  sessions = [];
  words = new Map(); // session id → {seq, sender, excerpt}: the latest message of each listed conversation
  known = []; // [{tag, sessions}] in use
  counters = {};
  read = false; // the chosen list has been read; an empty list before that means nothing
  next = ''; // cursor of the next page
  me;
  #api;
  #timer = 0;
  #hinted = 0; // timer of a read triggered by notifications
  #began = 0; // start of the latest read
  #wording = false; // the latest messages are being read
  #asked = 0; // number of the latest read: responses to older ones are dropped

  constructor({ api, me }) {
    super();
    this.#api = api;
    this.me = me;
  }

  /** choose selects another list or other tags. */
  choose({ filter = this.filter, tags = this.tags }) {
    this.filter = filter;
    this.tags = tags;
    this.sessions = [];
    this.next = '';
    this.read = false;
    this.#tell('list');
    return this.look();
  }

  /** look reads the shown part of the list and the counters again, now and then periodically. */
  async look() {
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    this.#began = Date.now();
    const limit = Math.min(MOST, Math.max(PAGE, this.sessions.length));
    try {
      const [page, counters] = await Promise.all([
        this.#api.call('GET', `admin/sessions?${queryOf(this.filter, { me: this.me, tags: this.tags, limit })}`),
        this.#api.call('GET', 'admin/counters').catch(() => this.counters), // the list is useful without the counters
      ]);
      if (asked !== this.#asked) return;
      this.sessions = page.sessions;
      this.next = page.next_cursor;
      this.counters = counters;
      this.read = true;
      this.#tell('list');
      this.#lookAtWords();
    } catch (error) {
      if (asked === this.#asked) this.dispatchEvent(new CustomEvent('trouble', { detail: error }));
    }
    if (asked === this.#asked) this.#timer = setTimeout(() => this.look(), EVERY);
  }

  /** hint reads the list again because of a notification, at most once per second. */
  hint() {
    this.#hinted ||= setTimeout(() => {
      this.#hinted = 0;
      this.look();
    }, Math.max(0, this.#began + HINTS - Date.now()));
  }

  /** more reads the next page. A running look is dropped, because it would not include that page. */
  async more() {
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    try {
      const page = await this.#api.call('GET', `admin/sessions?${queryOf(this.filter, { me: this.me, tags: this.tags, cursor: this.next })}`);
      if (asked !== this.#asked) return; // a newer read has replaced the list and its cursor
      this.sessions = [...this.sessions, ...page.sessions.filter((s) => !this.sessions.some((known) => known.id === s.id))];
      this.next = page.next_cursor;
      this.#tell('list');
      this.#lookAtWords();
    } catch (error) {
      if (asked === this.#asked) this.dispatchEvent(new CustomEvent('trouble', { detail: error }));
    }
    if (asked === this.#asked) this.#timer = setTimeout(() => this.look(), EVERY);
  }

  // lookAtWords reads the latest messages of changed conversations only, because
  // each such read is audited.
  async #lookAtWords() {
    if (this.#wording) return;
    this.#wording = true;
    if (this.words.size > 2 * MOST) this.words.clear();
    const asked = this.#asked;
    const state = (s) => `${s.last_activity}|${s.message_count}`;
    try {
      while (asked === this.#asked) {
        const changed = this.sessions.filter((s) => this.words.get(s.id)?.state !== state(s)).slice(0, PAGE);
        if (changed.length === 0) break;
        const { previews } = await this.#api.call('GET', `admin/previews?sessions=${changed.map((s) => s.id).join()}`);
        const got = new Map(previews.map((one) => [one.session_id, one]));
        for (const s of changed) this.words.set(s.id, { ...got.get(s.id), state: state(s) });
        this.#tell('list');
      }
    } catch {
      // The list is useful without them; the next read tries again.
    } finally {
      this.#wording = false;
    }
  }

  /** lookAtTags reads the tags in use. */
  async lookAtTags() {
    try {
      const { tags } = await this.#api.call('GET', 'admin/tags');
      if (JSON.stringify(tags) === JSON.stringify(this.known)) return; // does not redraw a list that the user has opened
      this.known = tags;
      this.#tell('tags');
    } catch {
      // Keeps the last state; the next read of the list shows the problem.
    }
  }

  /** placeOf returns a conversation's place in the whole queue, or 0 if this list does not show it. */
  placeOf(id) {
    return this.filter === 'waiting' && this.tags.length === 0 ? this.sessions.findIndex((s) => s.id === id) + 1 : 0;
  }

  /** changed shows the effect of an action in the list before the next read confirms it. */
  changed(id, fields) {
    this.sessions = this.sessions.map((s) => (s.id === id ? { ...s, ...fields } : s));
    this.#tell('list');
  }

  stop() {
    this.#asked += 1;
    clearTimeout(this.#timer);
    clearTimeout(this.#hinted);
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}
