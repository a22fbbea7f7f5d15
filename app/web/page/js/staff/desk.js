// What a member of staff sees and does, without a page: the queue over REST, one conversation over the socket.

import { isSessionID, uuid } from '../ids.js';
import { SessionStore } from '../session-store.js';
import { Socket } from '../socket.js';

const EVERY = 5000; // ms between two looks at the queue; a notification looks at once
const PATIENCE = 4000; // ms without an ack, then a message is sent again
const PAGE = 50;

// How each list is asked for. Who has waited longest stands first.
const QUERIES = {
  waiting: 'status=active&help_requested=true&sort_by=last_activity&sort_order=asc',
  mine: 'status=active&admin_assisted=true&sort_by=last_activity&sort_order=desc',
  all: 'sort_by=last_activity&sort_order=desc',
};

export class Desk extends EventTarget {
  filter = 'waiting';
  sessions = [];
  waiting = 0;
  next = ''; // cursor of the next page
  me = '';
  talk = null; // SessionStore of the conversation that is open
  card = null; // what the list says of it
  #api;
  #socket;
  #timer = 0;
  #asked = 0; // newest look at the queue

  constructor({ api, base, token }) {
    super();
    this.#api = api;
    const address = new URL('ws', base);
    address.protocol = address.protocol.replace('http', 'ws');
    this.#socket = new Socket({
      url: () => address,
      protocols: () => ['chatbox.v1', `bearer.${token}`],
      onFrame: (frame) => this.#receive(frame),
      onState: (state) => this.#connectionIs(state),
      probe: () => this.#probe(),
    });
  }

  get holding() {
    return Boolean(this.talk?.holder) && this.talk.holder.id === this.me;
  }

  start() {
    this.#socket.connect();
    setInterval(() => this.#flush(), 500);
    this.look();
  }

  show(filter) {
    this.filter = filter;
    this.sessions = [];
    this.#tell('list');
    this.look();
  }

  /** look reads the list's first page again, and counts who waits. */
  async look() {
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    try {
      const page = await this.#page(this.filter, '');
      const waiting = this.filter === 'waiting' ? page : await this.#page('waiting', '');
      if (asked !== this.#asked) return;
      this.sessions = page.sessions;
      this.next = page.next_cursor;
      this.waiting = waiting.sessions.length;
      this.card = this.sessions.find((s) => s.id === this.talk?.id) ?? this.card;
      this.#tell('list');
    } catch (error) {
      if (asked === this.#asked) this.#notice(error.message);
    }
    this.#timer = setTimeout(() => this.look(), EVERY);
  }

  async more() {
    const page = await this.#page(this.filter, this.next);
    this.sessions = [...this.sessions, ...page.sessions];
    this.next = page.next_cursor;
    this.#tell('list');
  }

  async #page(filter, cursor) {
    const page = await this.#api.call('GET', `admin/sessions?${QUERIES[filter]}&limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    if (filter === 'waiting') page.sessions = page.sessions.filter((s) => !s.assisting_admin_id);
    if (filter === 'mine') page.sessions = page.sessions.filter((s) => s.assisting_admin_id === this.me);
    return page;
  }

  /** open watches a conversation; one that is held stays held when another is opened. */
  open(id) {
    if (!isSessionID(id) || this.talk?.id === id) return;
    if (this.talk && !this.holding) this.#socket.send({ type: 'unwatch', session_id: this.talk.id });
    this.talk = new SessionStore(id, { newID: uuid });
    this.card = this.sessions.find((s) => s.id === id) ?? null;
    this.#watch();
    this.#tell('talk');
    this.#tell('list');
  }

  close() {
    if (this.talk && !this.holding) this.#socket.send({ type: 'unwatch', session_id: this.talk.id });
    this.talk = null;
    this.card = null;
    this.#tell('talk');
    this.#tell('list');
  }

  #watch() {
    if (this.#socket.send({ type: 'watch', session_id: this.talk.id, seq: this.talk.lastSeq })) this.talk.asksResume();
  }

  // Without an id these come back as their event, which is what there is to see.
  takeOver() {
    this.#command('admin_join');
  }

  handBack() {
    this.#command('admin_leave');
  }

  #command(type) {
    if (!this.#socket.send({ type, session_id: this.talk.id })) this.#notice('There is no connection. Nothing was done.');
  }

  async end() {
    await this.#api.call('POST', `admin/sessions/${this.talk.id}/end`);
    this.look();
  }

  say(text) {
    this.talk.say(text);
    this.#flush();
    this.#tell('talk');
  }

  typing(on) {
    this.#socket.send({ type: 'typing_indicator', session_id: this.talk.id, metadata: { state: on ? 'start' : 'stop' } });
  }

  #flush() {
    if (!this.talk?.synced || !this.holding) return;
    for (const item of this.talk.due(PATIENCE)) if (this.#socket.send(item.frame)) this.talk.markSent(item);
  }

  #receive(frame) {
    if (frame.type === 'connection_status' && frame.metadata?.connection_id) {
      this.me = frame.user_id;
      if (this.talk) this.#watch();
      this.#tell('me');
      return;
    }
    if (frame.type === 'notification') {
      if (frame.metadata?.event === 'help_requested') this.#notice('Somebody asks for a person.');
      this.look();
      return;
    }
    if (!this.talk || frame.session_id !== this.talk.id) return;
    if (frame.type === 'error' && !frame.id?.startsWith('ans_')) this.#notice(refused(frame));
    const out = this.talk.receive(frame);
    if (frame.type === 'admin_join' || frame.type === 'admin_leave') this.look();
    if (frame.type === 'admin_leave' && frame.metadata?.admin_id === this.me) this.#watch(); // leaving ended the attachment
    if (out.resume !== null) this.#socket.send({ type: 'resume', session_id: this.talk.id, seq: out.resume });
    if (out.history) this.#readHistory(this.talk);
    if (out.changed) this.#tell('talk');
  }

  async #readHistory(talk) {
    try {
      const page = await this.#api.call('GET', `admin/sessions/${talk.id}`);
      talk.fill(page.messages, page.truncated);
    } catch (error) {
      this.#notice(error.message);
    }
    if (talk === this.talk) this.#tell('talk');
  }

  #connectionIs(state) {
    document.documentElement.dataset.connection = state.name;
    if (state.name !== 'open') this.talk?.interrupted();
    if (state.name === 'refused') this.#notice(state.reason);
    this.#tell('me');
  }

  async #probe() {
    try {
      await this.#api.call('GET', 'sessions?limit=1');
      return 'ok';
    } catch (error) {
      return error.status === 401 ? 'refused' : 'away';
    }
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }

  #notice(detail) {
    this.dispatchEvent(new CustomEvent('notice', { detail }));
  }
}

function refused(frame) {
  const who = frame.metadata?.admin_name || frame.metadata?.admin_id;
  if (frame.error?.code === 'TAKEN_OVER' && who) return `${who} has this conversation.`;
  return frame.error?.message ?? 'The server refused.';
}
