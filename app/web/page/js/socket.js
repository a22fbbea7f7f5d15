// A socket that reconnects with jitter, honours `reconnect` frames and close
// codes, and reports its state. It handles only frames about the connection;
// sessions are up to the caller.

const FIRST_WAIT = 150; // ms; other pods are usually available at once
const LONGEST_WAIT = 15_000;
const QUIET = 20_000; // ms without a frame before a ping
const DEAD = 8_000; // ms without a pong before a new socket
const CLOSED_BY_STAFF = 4503;
const OFFLINE_WAIT = 3000; // ms before an offline device tries nevertheless: browsers can be wrong, and loopback needs no network
const STABLE = 10_000; // ms open before the next loss counts as the first

/** delay before the n-th consecutive attempt (from 0): exponential, with half of it random, so that clients spread out. */
export function backoff(attempt, random = Math.random) {
  const top = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempt);
  return Math.round(top / 2 + (top / 2) * random());
}

/** mayReconnect: close codes 4500 to 4999 are final, all others are transient. */
export const mayReconnect = (code) => !(code >= 4500 && code <= 4999);

export class Socket {
  #options;
  #socket = null;
  #attempt = 0;
  #timer = 0;
  #watch = 0;
  #openedAt = 0;
  #lastFrameAt = 0;
  #pingedAt = 0;
  #lostAt = 0;
  #advised = 0; // time at which the server asked to reconnect
  #pod = '';
  #offline = false; // the browser reports it, and no pod has shown otherwise
  #state = { name: 'idle' };

  /**
   * options: url() · protocols() · onFrame(frame) · onState(state) · probe(): resolves to 'ok', 'refused', 'blocked' or 'away'
   * network: what tells `online` and `offline`, the window.
   */
  constructor({ network = globalThis, ...options }) {
    this.#options = options;
    this.#offline = network.navigator?.onLine === false;
    network.addEventListener?.('offline', () => this.#lostNetwork());
    network.addEventListener?.('online', () => this.#foundNetwork());
  }

  get state() {
    return this.#state;
  }

  get isOpen() {
    return this.#state.name === 'open';
  }

  /** connect opens a socket now, in place of a pending delay or the previous socket. */
  connect() {
    this.#drop();
    this.#set({ name: 'connecting', attempt: this.#attempt });
    let socket;
    try {
      socket = new WebSocket(this.#options.url(), this.#options.protocols());
    } catch (error) {
      this.#set({ name: 'refused', reason: `The address or the token cannot be used: ${error.message}` });
      return;
    }
    this.#socket = socket;
    this.#lastFrameAt = Date.now();
    this.#pingedAt = 0;
    const mine = (f) => (event) => socket === this.#socket && f(event);
    socket.addEventListener('message', mine((event) => this.#receive(event.data)));
    socket.addEventListener('close', mine((event) => this.#closed(event.code, event.reason)));
    this.#watch = setInterval(() => this.#listenForLife(), 1000);
  }

  /** send returns whether the frame was given to an open socket. It may still not arrive. */
  send(frame) {
    if (!this.isOpen || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** checkNow sends a ping at once, for instance after a laptop wakes up. */
  checkNow() {
    if (this.#state.name === 'waiting' || this.#state.name === 'offline') this.connect();
    else if (this.isOpen && !this.#pingedAt) this.#ping();
  }

  close() {
    this.#drop();
    this.#set({ name: 'idle' });
  }

  #drop() {
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #receive(data) {
    this.#lastFrameAt = Date.now();
    this.#pingedAt = 0;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (frame.type === 'pong') return;
    if (frame.type === 'reconnect') {
      this.#comeBack(Number(frame.metadata?.after_ms) || 0);
      return;
    }
    if (frame.type === 'connection_status' && frame.metadata?.connection_id) this.#greeted(frame);
    this.#options.onFrame(frame);
  }

  #greeted(frame) {
    const pod = frame.metadata.pod ?? '';
    const moved = this.#lostAt ? { from: this.#pod, took: Date.now() - this.#lostAt } : null;
    this.#pod = pod;
    this.#lostAt = 0;
    this.#advised = 0;
    this.#offline = false;
    this.#openedAt = Date.now();
    this.#set({ name: 'open', pod, moved });
  }

  // A draining pod gives each client a time to reconnect and closes the socket at
  // that time. Whichever comes first counts.
  #comeBack(after) {
    this.#advised = Date.now() + after;
    this.#set({ ...this.#state, draining: true });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#lostAt = Date.now();
      this.connect();
    }, after);
  }

  // After the network is lost, a socket may stay silent for minutes before the
  // browser closes it.
  #lostNetwork() {
    if (this.#state.name === 'idle' || this.#state.name === 'refused') return;
    this.#lostAt ||= Date.now();
    this.#offline = true;
    this.#openedAt = 0;
    this.#advised = 0;
    this.#drop();
    this.#set({ name: 'waiting', until: Date.now() + OFFLINE_WAIT, attempt: this.#attempt });
    this.#timer = setTimeout(() => this.connect(), OFFLINE_WAIT);
  }

  #foundNetwork() {
    if (!this.#offline) {
      this.checkNow(); // the network may have changed
      return;
    }
    this.#offline = false;
    this.#attempt = 0;
    this.connect();
  }

  async #closed(code, reason) {
    clearInterval(this.#watch);
    clearTimeout(this.#timer);
    const greeted = this.#openedAt > 0;
    this.#socket = null;
    this.#lostAt ||= Date.now();
    if (greeted && Date.now() - this.#openedAt > STABLE) this.#attempt = 0;
    this.#openedAt = 0;
    if (!mayReconnect(code)) {
      this.#set({ name: 'refused', code, reason: refusal(code, reason) });
      if (code === CLOSED_BY_STAFF) await this.#explain();
      return;
    }
    const wait = this.#advised ? Math.max(0, this.#advised - Date.now()) : backoff(this.#attempt);
    this.#advised = 0;
    this.#attempt += 1;
    this.#set({ name: 'waiting', until: Date.now() + wait, attempt: this.#attempt, code });
    this.#timer = setTimeout(() => this.connect(), wait);
    if (greeted || this.#attempt < 2) return;
    await this.#explain();
  }

  // A browser does not show why an upgrade failed, and a close code may have
  // several causes. A REST request with the same credential gives the reason.
  async #explain() {
    const verdict = await this.#options.probe();
    if (this.#state.name === 'open' || (verdict !== 'refused' && verdict !== 'blocked')) return;
    this.#drop();
    const code = verdict === 'blocked' ? CLOSED_BY_STAFF : 4501;
    this.#set({ name: 'refused', code, reason: refusal(code, '', verdict), blocked: verdict === 'blocked' });
  }

  #listenForLife() {
    const now = Date.now();
    if (this.#pingedAt && now - this.#pingedAt > DEAD) {
      this.#lostAt ||= this.#lastFrameAt;
      this.#socket?.close();
      this.#closed(4001, '');
    } else if (this.isOpen && !this.#pingedAt && now - this.#lastFrameAt > QUIET) this.#ping();
    else if (!this.isOpen && now - this.#lastFrameAt > DEAD) {
      this.#socket?.close();
      this.#closed(4001, '');
    }
  }

  #ping() {
    this.#pingedAt = Date.now();
    this.send({ type: 'ping' });
  }

  // While the device is offline, waiting and connecting are reported as one
  // state, because the user sees the same text.
  #set(state) {
    const waits = state.name === 'waiting' || state.name === 'connecting';
    this.#state = this.#offline && waits ? { ...state, name: 'offline' } : state;
    this.#options.onState(this.#state);
  }
}

function refusal(code, reason, verdict) {
  if (verdict === 'blocked') return 'Staff has blocked this account. Nothing can be read or sent until it is unblocked.';
  if (code === 4501) return 'The sign-in has expired or is not accepted. Open a fresh link.';
  if (code === 4503) return 'An administrator has closed this connection.';
  return reason || `The server has closed this connection for good (${code}).`;
}
