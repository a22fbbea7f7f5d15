// The conversation that a member of staff has open, without DOM: live over the
// socket, or read over REST.

import { isSessionID, uuid } from '../ids.js';
import { MESSAGES, SessionStore } from '../session-store.js';
import { Socket } from '../socket.js';

const PATIENCE = 4000; // ms without an ack before a message is sent again
const SELDOM = 10_000; // ms between reads of a card that is not in the list
const TYPES = 5000; // ms for which a typing signal is shown
const AROUND = 40; // events shown before and after a search hit

/**
 * Events: `talk` (what is open has changed), `opened` (another one is open), `connected`, `connection`, `told` (a notification),
 * `notice`, `taken` (this member of staff holds the talk from now on), `words` (a user has written to them), `heard` (a live frame of the talk).
 */
export class Desk extends EventTarget {
  me;
  talk = null; // SessionStore of the open conversation
  card = null; // its entry in the lists
  reading = null; // {seq, later, from}: read, not watched, around this event; later: newer ones are left on the server; from: {id, card} of the talk left for it
  connection = { name: 'idle' };
  #api;
  #queue;
  #socket;
  #outbox = new Map(); // session id → SessionStore of conversations left with messages not acked yet
  #typing = null; // {who, until}: who is typing; who is '' for the user
  #lookedAt = 0;

  constructor({ api, base, token, me, queue }) {
    super();
    this.#api = api;
    this.#queue = queue;
    this.me = me;
    const address = new URL('ws', base);
    address.protocol = address.protocol.replace('http', 'ws');
    this.#socket = new Socket({
      url: () => address,
      protocols: () => ['chatbox.v1', `bearer.${token}`],
      onFrame: (frame) => this.#receive(frame),
      onState: (state) => this.#connectionIs(state),
      probe: () => this.#probe(),
    });
    queue.addEventListener('list', () => this.#lookAtCard());
  }

  get holding() {
    return Boolean(this.talk?.holder) && !this.reading && this.talk.holder.id === this.me;
  }

  /** typist returns who is typing in the talk, '' for its user, or null. */
  get typist() {
    return this.#typing && this.#typing.until > Date.now() ? this.#typing.who : null;
  }

  start() {
    this.#socket.connect();
    setInterval(() => this.#flush(), 500);
  }

  /** open watches a conversation. A held conversation stays held when another is opened. */
  open(id, card = this.#queue.sessions.find((s) => s.id === id) ?? null) {
    if (!isSessionID(id) || (this.talk?.id === id && !this.reading)) return;
    this.#begin(id, card, null);
    this.#watch();
  }

  /** read shows a conversation around one event over REST, without attaching or notifying anybody. from: the talk to return to. */
  async read(card, seq = 0, from = null) {
    this.#begin(card.id, card, { seq, later: false, from });
    await this.#readAround(this.talk, seq);
  }

  /** goLive starts to watch the conversation being read. */
  goLive() {
    if (this.reading) this.open(this.talk.id, this.card);
  }

  close() {
    this.#begin('', null, null);
  }

  #begin(id, card, reading) {
    if (this.talk && !this.reading && !this.holding) this.#socket.send({ type: 'unwatch', session_id: this.talk.id });
    if (this.talk?.hasPending && !this.reading) this.#outbox.set(this.talk.id, this.talk); // its messages are sent nevertheless
    this.talk = id ? (!reading && this.#outbox.get(id)) || new SessionStore(id, { newID: uuid }) : null;
    this.#typing = null;
    this.card = card;
    this.reading = reading;
    this.#tell('talk');
    this.#tell('opened');
  }

  #watch() {
    if (this.#socket.send({ type: 'watch', session_id: this.talk.id, seq: this.talk.lastSeq })) this.talk.asksResume();
  }

  // Without an id, these are not acked; their events show the result.
  takeOver() {
    this.#command('admin_join');
  }

  handBack() {
    this.#command('admin_leave');
  }

  #command(type) {
    if (!this.#socket.send({ type, session_id: this.talk.id })) this.notice('There is no connection. Nothing was done.');
  }

  /** say sends a message, perhaps with stored files. Files without words are messages of their own. */
  say(text, files = []) {
    if (text.trim() === '') for (const file of files) this.talk.give(file);
    else this.talk.say(text, files);
    this.#sent();
  }

  /** speak sends a stored recording. */
  speak(file) {
    this.talk.give(file, 'voice_message');
    this.#sent();
  }

  #sent() {
    this.#flush();
    this.#tell('talk');
  }

  tryAgain(id) {
    this.talk.tryAgain(id);
    this.#flush();
    this.#tell('talk');
  }

  discard(id) {
    this.talk.discard(id);
    this.#tell('talk');
  }

  typing(on) {
    this.#socket.send({ type: 'typing_indicator', session_id: this.talk.id, metadata: { state: on ? 'start' : 'stop' } });
  }

  /** changed shows the effect of an action before the next read confirms it. */
  changed(id, fields) {
    if (this.talk?.id === id) this.#cardIs({ ...this.card, ...fields });
    this.#queue.changed(id, fields);
  }

  // lookAtCard takes the open conversation's card from the list. If the list does
  // not contain it, it occasionally asks for the list of its user.
  async #lookAtCard() {
    const { talk } = this;
    const listed = this.#queue.sessions.find((s) => s.id === talk?.id);
    if (listed || !this.card?.user_id || Date.now() - this.#lookedAt < SELDOM) {
      this.#cardIs(listed);
      return;
    }
    this.#lookedAt = Date.now();
    try {
      const page = await this.#api.call('GET', `admin/sessions?user_id=${encodeURIComponent(this.card.user_id)}&limit=100`);
      if (talk === this.talk) this.#cardIs(page.sessions.find((s) => s.id === talk.id));
    } catch {
      // Keeps the last state.
    }
  }

  #cardIs(card) {
    if (!card || !this.talk) return;
    this.card = card;
    this.#tell('talk');
  }

  #flush() {
    if (this.talk?.synced && this.holding) this.#send(this.talk);
    for (const [id, store] of this.#outbox) {
      if (!store.hasPending) this.#outbox.delete(id);
      else if (store !== this.talk) this.#send(store);
    }
  }

  #send(store) {
    for (const item of store.due(PATIENCE)) if (this.#socket.send(item.frame)) store.markSent(item);
  }

  #receive(frame) {
    if (frame.type === 'connection_status' && frame.metadata?.connection_id) {
      this.me = frame.user_id;
      if (this.talk && !this.reading) this.#watch();
      this.#tell('connected');
      this.#tell('talk');
      return;
    }
    if (frame.type === 'notification') {
      this.dispatchEvent(new CustomEvent('told', { detail: { session: frame.session_id, ...frame.metadata } }));
      return;
    }
    if (!this.talk || this.reading || frame.session_id !== this.talk.id) {
      this.#elsewhere(frame);
      return;
    }
    if (frame.type === 'typing_indicator') {
      this.#typed(frame);
      return;
    }
    const live = this.talk.synced && frame.seq > this.talk.lastSeq;
    const typing = frame.error?.code === 'TOO_MANY_REQUESTS' && !frame.id; // typing too often is harmless
    if (frame.type === 'error' && !frame.id?.startsWith('ans_') && !typing) this.notice(refused(frame));
    const held = this.holding;
    const out = this.talk.receive(frame);
    if (MESSAGES.has(frame.type)) this.#typing = null;
    if (live) this.#heard(frame, out);
    if (frame.type === 'admin_join' || frame.type === 'admin_leave') this.#queue.look();
    if (held && !this.holding && !this.talk.ended) this.#watch(); // hand-back and transfer end the attachment
    if (out.resume !== null) this.#socket.send({ type: 'resume', session_id: this.talk.id, seq: out.resume });
    if (out.history) this.#readAround(this.talk, 0);
    if (out.changed) this.#tell('talk');
  }

  #heard(frame, out) {
    this.dispatchEvent(new CustomEvent('heard', { detail: { frame, finished: out.finished } }));
    const about = { session: frame.session_id };
    if (frame.type === 'admin_join' && frame.metadata?.admin_id === this.me) this.dispatchEvent(new CustomEvent('taken', { detail: about }));
    if (MESSAGES.has(frame.type) && frame.sender === 'user' && this.holding) this.dispatchEvent(new CustomEvent('words', { detail: about }));
  }

  // elsewhere handles frames of conversations that are held but not open.
  #elsewhere(frame) {
    const store = this.#outbox.get(frame.session_id);
    if (store && (frame.type === 'ack' || frame.type === 'error')) {
      if (frame.type === 'error' && frame.id && !frame.error?.recoverable) {
        this.notice(`A message was not sent: ${refused(frame)}`);
        store.discard(frame.id);
      } else store.receive(frame);
    }
    if (MESSAGES.has(frame.type) && frame.sender === 'user') this.dispatchEvent(new CustomEvent('words', { detail: { session: frame.session_id } }));
  }

  #typed(frame) {
    const on = frame.metadata?.state === 'start';
    this.#typing = on ? { who: frame.sender === 'admin' ? frame.metadata.admin_name || 'A colleague' : '', until: Date.now() + TYPES } : null;
    if (on) setTimeout(() => this.#tell('talk'), TYPES + 100);
    this.#tell('talk');
  }

  async #readAround(talk, seq) {
    const until = seq ? `&before_seq=${seq + AROUND}` : '';
    await this.#fill(talk, `?limit=${seq ? 2 * AROUND : 500}${until}`, (page) => {
      talk.fill(page.messages, page.truncated);
      if (talk !== this.talk) return;
      this.card = { ...this.card, name: this.card?.name || page.name, status: page.status };
      talk.ended ||= page.status === 'ended';
      if (this.reading) this.reading.later = (page.messages.at(-1)?.seq ?? 0) < page.head_seq;
    });
  }

  /** earlier reads the page before the oldest event shown. */
  async earlier() {
    const { talk } = this;
    await this.#fill(talk, `?limit=200&before_seq=${talk.oldest}`, (page) => {
      talk.fill(page.messages, page.truncated);
      if (page.messages.length === 0) talk.oldest = 0;
    });
  }

  /** later reads the page after the newest event shown, in a conversation read over REST. */
  async later() {
    const { talk, reading } = this;
    const { oldest } = talk;
    await this.#fill(talk, `?limit=200&after_seq=${talk.newest}`, (page) => {
      talk.fill(page.messages, page.truncated);
      talk.oldest = oldest;
      reading.later = page.messages.length > 0 && page.messages.at(-1).seq < page.head_seq;
    });
  }

  async #fill(talk, query, use) {
    try {
      use(await this.#api.call('GET', `admin/sessions/${talk.id}${query}`));
    } catch (error) {
      this.notice(error.message);
    }
    if (talk === this.talk) this.#tell('talk');
  }

  #connectionIs(state) {
    document.documentElement.dataset.connection = state.name;
    document.documentElement.dataset.servedBy = state.name === 'open' ? state.pod : '';
    this.connection = state;
    if (state.name !== 'open') {
      for (const store of [this.talk, ...this.#outbox.values()]) store?.interrupted();
      this.#typing = null;
    }
    if (state.name === 'refused') this.notice(state.reason);
    this.#tell('connection');
    this.#tell('talk');
  }

  async #probe() {
    try {
      await this.#api.call('GET', 'sessions?limit=1');
      return 'ok';
    } catch (error) {
      return { 401: 'refused', 403: 'blocked' }[error.status] ?? 'away';
    }
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }

  notice(detail) {
    this.dispatchEvent(new CustomEvent('notice', { detail }));
  }
}

function refused(frame) {
  const who = frame.metadata?.admin_name || frame.metadata?.admin_id;
  if (frame.error?.code === 'TAKEN_OVER' && who) return `${who} has this conversation.`;
  return frame.error?.message ?? 'The server refused.';
}
