// The conversation of this tab: one socket with several sessions attached, one of
// them shown. It connects socket.js (the connection), session-store.js (the
// state) and api.js (REST), and notifies the views.

import { APIError } from './api.js';
import { uuid } from './ids.js';
import { MESSAGES, SessionStore } from './session-store.js';
import { Socket } from './socket.js';

const PATIENCE = 12_000; // ms without an ack before the frame is sent again with the same id; the server's own wait is 10 s
const MOST_ATTACHED = 16; // the protocol allows 20 per socket
const TYPING_EVERY = 2000;

export class Chat extends EventTarget {
  current = null;
  models = [];
  userID = '';
  list = []; // sessions as listed by REST
  more = ''; // cursor of the next page
  connection = { name: 'idle' };
  #stores = new Map();
  #api;
  #socket;
  #socketURL;
  #token;
  #quiet;
  #peers = 'BroadcastChannel' in window ? new BroadcastChannel('chatbox.sessions') : null;
  #typingAt = 0;
  #typingStop = 0;
  #typing = new Map(); // session → {who, until}
  #unread = new Set();
  #listTimer = 0;

  /** quiet(frame) reports whether a view shows this frame, so that no notice is needed. */
  constructor({ api, base, token, quiet = () => false }) {
    super();
    this.#api = api;
    this.#token = token;
    this.#quiet = quiet;
    this.#socketURL = new URL('ws', base);
    this.#socketURL.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
    this.#socket = new Socket({
      url: () => this.#address(),
      protocols: () => ['chatbox.v1', `bearer.${this.#token}`],
      onFrame: (frame) => this.#receive(frame),
      onState: (state) => this.#connectionIs(state),
      probe: () => this.#probe(),
    });
    if (this.#peers) this.#peers.onmessage = () => this.refreshList();
    setInterval(() => this.#repeat(), 500);
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState !== 'visible') return;
      this.#socket.checkNow();
      this.refreshList();
    });
  }

  start(sessionID) {
    this.#show(sessionID || uuid());
    this.#socket.connect();
    this.refreshList();
  }

  /** connectNow ends the delay before the next attempt. */
  connectNow() {
    this.#socket.connect();
  }

  // ---- sessions ----

  open(id) {
    if (id === this.current?.id) return;
    this.#show(id);
    const store = this.current;
    if (!store.synced && this.#socket.isOpen) {
      if ([...this.#stores.values()].filter((s) => s.synced).length >= MOST_ATTACHED) this.#forgetOthers();
      else this.#resume(store, store.lastSeq);
    }
    this.#tell('sessions');
  }

  create() {
    // An empty conversation serves as a new one.
    if (this.current?.isEmpty && !this.current.unavailable && !this.current.ended) this.#tell('focus');
    else this.open(uuid());
  }

  isUnread(id) {
    return this.#unread.has(id);
  }

  isRunning(id) {
    return Boolean(this.#stores.get(id)?.running);
  }

  async refreshList() {
    try {
      const page = await this.#api.sessions();
      const kept = this.list.length > page.sessions.length && this.more ? this.list.filter((s) => !page.sessions.some((p) => p.id === s.id)) : [];
      this.list = [...page.sessions, ...kept];
      if (kept.length === 0) this.more = page.truncated ? page.next_cursor : '';
      for (const session of page.sessions) if (session.status === 'ended' && this.#stores.has(session.id)) this.#stores.get(session.id).ended = true;
      this.#tell('sessions');
    } catch {
      // The connection's state is shown already; the list is requested again with
      // the next change.
    }
  }

  async loadMoreSessions() {
    const page = await this.#api.sessions(this.more);
    this.list = [...this.list, ...page.sessions.filter((s) => !this.list.some((known) => known.id === s.id))];
    this.more = page.truncated ? page.next_cursor : '';
    this.#tell('sessions');
  }

  nameOf(id) {
    const known = this.list.find((session) => session.id === id);
    if (known?.name) return known.name;
    const first = this.#stores.get(id)?.items().find((item) => item.kind === 'message' && item.sender === 'user');
    return first?.content.trim().split('\n')[0].slice(0, 60) || first?.files[0]?.name || 'New conversation';
  }

  async rename(name) {
    await this.#api.rename(this.current.id, name);
    await this.#listChanged();
  }

  async end() {
    await this.#api.end(this.current.id);
    await this.#listChanged();
  }

  async erase() {
    const { id } = this.current;
    await this.#api.erase(id);
    this.#stores.delete(id);
    this.list = this.list.filter((session) => session.id !== id);
    this.#show(uuid());
    await this.#listChanged();
  }

  export(format) {
    return this.#api.export(this.current.id, format);
  }

  async #listChanged() {
    this.#peers?.postMessage('changed');
    await this.refreshList();
  }

  async loadOlder() {
    const store = this.current;
    const page = await this.#api.history(store.id, `?limit=200&before_seq=${store.oldest}`);
    store.fill(page.messages, page.truncated);
    if (page.messages.length === 0) store.oldest = 0;
    this.#tell('session');
  }

  #show(id) {
    if (!this.#stores.has(id)) this.#stores.set(id, new SessionStore(id, { newID: uuid }));
    this.current = this.#stores.get(id);
    this.#unread.delete(id);
    this.#tell('switched');
    this.#tell('session');
  }

  // ---- what the user does ----

  /** say sends a message, perhaps with stored files. Files without words are messages of their own. */
  say(content, files = []) {
    this.#post((store) => {
      if (content.trim() === '') for (const file of files) store.give(file);
      else store.say(content, files);
    });
  }

  /** speak sends a stored recording. */
  speak(file) {
    this.#post((store) => store.give(file, 'voice_message'));
  }

  #post(issue) {
    const first = this.current.isEmpty;
    issue(this.current);
    this.#stopTyping();
    this.#repeat();
    this.#tell('session');
    if (first) this.#soonRefreshList(600);
  }

  selectModel(modelID) {
    this.current.selectModel(modelID);
    this.#repeat();
    this.#tell('session');
  }

  askForHelp() {
    this.current.askForHelp('The user asks for a person.');
    this.#repeat();
    this.#tell('session');
  }

  stop() {
    if (this.current.running) this.#now({ type: 'cancel', session_id: this.current.id }, 'The answer was not stopped: there is no connection.');
  }

  retry() {
    this.#now({ type: 'retry', id: `retry-${uuid()}`, session_id: this.current.id }, 'Nothing was tried again: there is no connection.');
  }

  // now sends a frame that is useless later, or shows that it was not sent.
  #now(frame, trouble) {
    if (!this.#socket.send(frame)) this.dispatchEvent(new CustomEvent('notice', { detail: trouble }));
  }

  tryAgain(id) {
    this.current.tryAgain(id);
    this.#repeat();
    this.#tell('session');
  }

  discard(id) {
    const text = this.current.discard(id);
    this.#tell('session');
    return text;
  }

  /** typing notifies the session's other sockets of typing and of its end, within the server's rate limit. */
  typing() {
    if (this.current.lastSeq === 0 || this.current.ended) return;
    clearTimeout(this.#typingStop);
    this.#typingStop = setTimeout(() => this.#stopTyping(), 3000);
    if (Date.now() - this.#typingAt < TYPING_EVERY) return;
    this.#typingAt = Date.now();
    this.#socket.send({ type: 'typing_indicator', session_id: this.current.id, metadata: { state: 'start' } });
  }

  #stopTyping() {
    clearTimeout(this.#typingStop);
    if (!this.#typingAt) return;
    this.#typingAt = 0;
    this.#socket.send({ type: 'typing_indicator', session_id: this.current.id, metadata: { state: 'stop' } });
  }

  /** typist returns who else is typing in the shown session, or null. */
  get typist() {
    const typing = this.#typing.get(this.current.id);
    return typing && typing.until > Date.now() ? typing.who : null;
  }

  // ---- the socket ----

  #address() {
    const url = new URL(this.#socketURL);
    url.searchParams.set('session_id', this.current.id);
    url.searchParams.set('last_seq', String(this.current.lastSeq));
    this.current.asksResume();
    return url.href;
  }

  #connectionIs(state) {
    const wasOpen = this.connection.name === 'open';
    this.connection = state;
    if (wasOpen && state.name !== 'open') for (const store of this.#stores.values()) store.interrupted();
    this.dispatchEvent(new CustomEvent('connection', { detail: state }));
    this.#tell('session');
  }

  async #probe() {
    try {
      await this.#api.sessions();
      return 'ok';
    } catch (error) {
      if (!(error instanceof APIError)) return 'away';
      return { 401: 'refused', 403: 'blocked' }[error.status] ?? 'away';
    }
  }

  #resume(store, seq) {
    store.asksResume();
    this.#socket.send({ type: 'resume', session_id: store.id, seq });
  }

  // forgetOthers detaches background sessions: a new socket attaches to the shown
  // session only.
  #forgetOthers() {
    for (const [id, store] of this.#stores) if (store !== this.current && !store.hasPending) this.#stores.delete(id);
    for (const store of this.#stores.values()) store.interrupted();
    this.#socket.connect();
  }

  #receive(frame) {
    if (frame.type === 'connection_status' && frame.metadata?.connection_id) {
      this.models = frame.models ?? [];
      this.userID = frame.user_id ?? '';
      // Background sessions attach after the shown one, which is named in the
      // socket's URL.
      for (const store of this.#stores.values()) {
        if (store !== this.current && (store.lastSeq > 0 || store.hasPending)) this.#resume(store, store.lastSeq);
      }
      this.#tell('models');
      return;
    }
    const store = this.#stores.get(frame.session_id || this.current.id);
    this.dispatchEvent(new CustomEvent('frame', { detail: frame }));
    if (frame.type === 'connection_status' || frame.type === 'notification') {
      if (frame.content && !this.#quiet(frame)) this.dispatchEvent(new CustomEvent('notice', { detail: frame.content }));
      return;
    }
    if (!store) return;
    if (frame.type === 'typing_indicator') {
      this.#typists(frame, store);
      return;
    }
    if (frame.type === 'error' && !frame.id?.startsWith('ans_')) this.#refused(frame);
    const ran = Boolean(store.running);
    const out = store.receive(frame);
    for (const note of out.notes) this.dispatchEvent(new CustomEvent('continued', { detail: { ...note, session: store.id } }));
    if (out.finished && store === this.current) this.dispatchEvent(new CustomEvent('finished', { detail: out.finished }));
    if (out.resume !== null) this.#socket.send({ type: 'resume', session_id: store.id, seq: out.resume });
    if (out.history) this.#loadHistory(store);
    if (frame.type === 'resumed') {
      this.#repeat();
      if (frame.seq) this.dispatchEvent(new CustomEvent('resumed', { detail: store.id }));
    }
    if (MESSAGES.has(frame.type)) this.#typing.delete(store.id);
    if (!out.changed) return;
    if (store !== this.current && frame.seq) this.#unread.add(store.id);
    if (store.erased && store !== this.current) this.#stores.delete(store.id);
    if (frame.seq && frame.type !== 'resumed') this.#soonRefreshList(400);
    if (store === this.current) this.#tell('session');
    if (store !== this.current || Boolean(store.running) !== ran) this.#tell('sessions');
  }

  // refused shows an error that belongs to no message or answer of a session.
  #refused(frame) {
    const { code, message } = frame.error ?? {};
    if (frame.id?.startsWith('retry-') && code === 'NOT_FOUND') this.dispatchEvent(new CustomEvent('notice', { detail: 'There is no answer to try again just now.' }));
    else if (code === 'TOO_MANY_REQUESTS' && !frame.id) return; // typing too often is harmless
    else if (frame.id?.startsWith('retry-') || !frame.id) this.dispatchEvent(new CustomEvent('notice', { detail: message ?? code }));
  }

  #typists(frame, store) {
    if (frame.metadata?.state === 'start') {
      const who = frame.sender === 'admin' ? frame.metadata.admin_name || 'The person helping you' : '';
      this.#typing.set(store.id, { who, until: Date.now() + 5000 });
      setTimeout(() => this.#tell('session'), 5100);
    } else this.#typing.delete(store.id);
    this.#tell('session');
  }

  async #loadHistory(store) {
    try {
      const page = await this.#api.history(store.id, '?limit=500');
      store.fill(page.messages, page.truncated);
      if (store === this.current) this.#tell('session');
    } catch (error) {
      this.dispatchEvent(new CustomEvent('notice', { detail: `The history could not be loaded: ${error.message}` }));
    }
  }

  // repeat sends waiting messages: new ones, those due for a retry, and those not
  // acked.
  #repeat() {
    if (!this.#socket.isOpen) return;
    for (const store of this.#stores.values()) {
      if ((store === this.current || store.lastSeq > 0) && store.stuck(PATIENCE)) this.#resume(store, store.lastSeq);
      if (!store.synced) continue;
      for (const item of store.due(PATIENCE)) if (this.#socket.send(item.frame)) store.markSent(item);
    }
  }

  #soonRefreshList(wait) {
    clearTimeout(this.#listTimer);
    this.#listTimer = setTimeout(() => this.#listChanged(), wait);
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}
