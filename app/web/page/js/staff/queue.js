// The lists of conversations and the figures beside them, over REST. No DOM: a view draws what is here.

const EVERY = 5000; // ms between two looks; a notification looks at once
const HINTS = 1000; // ms between two of these
const PAGE = 50;
const MOST = 1000; // sessions in one answer

// How each list is asked for; `me` is put in where a list is somebody's.
const LISTS = {
  waiting: { status: 'active', waiting: 'true', sort_by: 'waiting_since', sort_order: 'asc' },
  mine: { status: 'active', held_by: 'me', sort_by: 'last_activity', sort_order: 'desc' },
  assigned: { status: 'active', assigned_to: 'me', sort_by: 'last_activity', sort_order: 'desc' },
  all: { sort_by: 'last_activity', sort_order: 'desc' },
};

/** queryOf is a list's query: whose it is, which tags it must have, how many are wanted, from where. */
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
  tags = []; // all of which the list's conversations have
  sessions = [];
  words = new Map(); // session id → {seq, sender, excerpt}: the last words of those that are listed
  known = []; // [{tag, sessions}] in use
  counters = {};
  read = false; // the list that is chosen has been read: it is empty only then
  next = ''; // cursor of the next page
  me;
  #api;
  #timer = 0;
  #hinted = 0; // timer of a look that was hinted at
  #began = 0; // when the newest look did
  #wording = false; // last words are being read
  #asked = 0; // newest look: the answer to an older one is dropped

  constructor({ api, me }) {
    super();
    this.#api = api;
    this.me = me;
  }

  /** choose shows another list, or the same with other tags. */
  choose({ filter = this.filter, tags = this.tags }) {
    this.filter = filter;
    this.tags = tags;
    this.sessions = [];
    this.next = '';
    this.read = false;
    this.#tell('list');
    return this.look();
  }

  /** look reads again as much as is shown, and the figures; then once in a while. */
  async look() {
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    this.#began = Date.now();
    const limit = Math.min(MOST, Math.max(PAGE, this.sessions.length));
    try {
      const [page, counters] = await Promise.all([
        this.#api.call('GET', `admin/sessions?${queryOf(this.filter, { me: this.me, tags: this.tags, limit })}`),
        this.#api.call('GET', 'admin/counters').catch(() => this.counters), // the list is worth showing without its figures
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

  /** hint looks again for something that was heard of; what many hints are about is read once a second. */
  hint() {
    this.#hinted ||= setTimeout(() => {
      this.#hinted = 0;
      this.look();
    }, Math.max(0, this.#began + HINTS - Date.now()));
  }

  /** more reads the next page; a look that is under way, which knows nothing of it, is dropped. */
  async more() {
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    try {
      const page = await this.#api.call('GET', `admin/sessions?${queryOf(this.filter, { me: this.me, tags: this.tags, cursor: this.next })}`);
      if (asked !== this.#asked) return; // a new look came between, and the cursor with it
      this.sessions = [...this.sessions, ...page.sessions.filter((s) => !this.sessions.some((known) => known.id === s.id))];
      this.next = page.next_cursor;
      this.#tell('list');
      this.#lookAtWords();
    } catch (error) {
      if (asked === this.#asked) this.dispatchEvent(new CustomEvent('trouble', { detail: error }));
    }
    if (asked === this.#asked) this.#timer = setTimeout(() => this.look(), EVERY);
  }

  // lookAtWords reads the last words of those conversations alone in which something has happened: each such look is on record.
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
      // The list is worth showing without them; the next look asks again.
    } finally {
      this.#wording = false;
    }
  }

  /** lookAtTags reads which tags are in use. */
  async lookAtTags() {
    try {
      const { tags } = await this.#api.call('GET', 'admin/tags');
      if (JSON.stringify(tags) === JSON.stringify(this.known)) return; // a list that somebody has pulled down is left alone
      this.known = tags;
      this.#tell('tags');
    } catch {
      // What was known stays; the next look at the list tells of the trouble.
    }
  }

  /** placeOf is a conversation's place in the whole queue, or 0 where this list does not show it. */
  placeOf(id) {
    return this.filter === 'waiting' && this.tags.length === 0 ? this.sessions.findIndex((s) => s.id === id) + 1 : 0;
  }

  /** changed puts what an act has changed into the list, which its next look confirms. */
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
