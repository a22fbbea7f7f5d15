// A small stand-in for the REST side of staff's aids: what it is told it keeps, and every call is on record.

export class FakeAPI {
  calls = [];
  sessions = [];
  counters = { waiting: 0, mine: 0, mine_unread: 0, assigned: 0 };
  notes = new Map(); // session → notes
  replies = [];
  held = []; // calls that wait until release()
  #n = 0;

  constructor(me) {
    this.me = me;
  }

  async call(method, path, { body } = {}) {
    this.calls.push(`${method} ${path}`);
    const url = new URL(path, 'http://fake/');
    const parts = url.pathname.slice(1).split('/').map(decodeURIComponent);
    const answer = this.#answer(method, parts, url.searchParams, body);
    if (this.hold?.(method, path)) await new Promise((resolve) => this.held.push(resolve));
    return structuredClone(answer);
  }

  release() {
    for (const go of this.held.splice(0)) go();
  }

  #answer(method, [, kind, id, part, item], query, body) {
    if (kind === 'counters') return this.counters;
    if (kind === 'previews') return { previews: query.get('sessions').split(',').map((one) => ({ session_id: one, seq: 1, sender: 'user', excerpt: `last of ${one}` })) };
    if (kind === 'tags') return { tags: [{ tag: 'billing', sessions: 2 }] };
    if (kind === 'sessions' && part === 'notes') return this.#note(method, id, item, body);
    if (kind === 'sessions') return this.#page(query);
    if (kind === 'replies') return this.#reply(method, id, part, body);
    throw new Error(`the fake has no ${kind}`);
  }

  #page(query) {
    const from = Number(query.get('cursor') ?? 0);
    const to = from + Number(query.get('limit'));
    const fitting = this.sessions.filter((s) => query.getAll('tag').every((tag) => s.tags?.includes(tag)));
    return { sessions: fitting.slice(from, to), next_cursor: to < fitting.length ? String(to) : '' };
  }

  #note(method, session, id, body) {
    const list = this.notes.get(session) ?? [];
    this.notes.set(session, list);
    const at = list.findIndex((note) => note.id === id);
    if (method === 'POST') list.push({ id: `n${++this.#n}`, session_id: session, admin_id: this.me, admin_name: this.me, text: body.text, created_at: '2026-01-01T10:00:00Z' });
    if (method === 'PATCH') list[at] = { ...list[at], text: body.text, updated_at: '2026-01-01T11:00:00Z' };
    if (method === 'DELETE') list.splice(at, 1);
    return { session_id: session, notes: list, count: list.length };
  }

  #reply(method, id, part, body) {
    if (part === 'render') return { content: this.replies.find((one) => one.id === id).text, missing: ['user_name'] };
    if (method === 'POST') this.replies.push({ id: `r${++this.#n}`, ...body });
    if (method === 'PUT') this.replies = this.replies.map((one) => (one.id === id ? { id, ...body } : one));
    if (method === 'DELETE') this.replies = this.replies.filter((one) => one.id !== id);
    return { replies: this.replies, count: this.replies.length };
  }
}

/** settled lets everything that is under way come to rest. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
