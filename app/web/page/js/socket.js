// One socket that stays: it reconnects with jitter, honours `reconnect` frames and close codes, and tells what it does.
// It knows frames only as far as the connection itself is concerned; sessions are the caller's.

const FIRST_WAIT = 150; // ms; a pod that went away usually has neighbours
const LONGEST_WAIT = 15_000;
const QUIET = 20_000; // ms without a frame, then a ping
const DEAD = 8_000; // ms without an answer to the ping, then a new socket
const CLOSED_BY_STAFF = 4503;
const OFFLINE_WAIT = 3000; // ms until an offline device is tried all the same: browsers are wrong about it, and loopback needs no network
const STABLE = 10_000; // ms open, then the next loss counts as the first

/** delay of the n-th try in a row (0 first): exponential, half of it random, so that a crowd spreads out. */
export function backoff(attempt, random = Math.random) {
  const top = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempt);
  return Math.round(top / 2 + (top / 2) * random());
}

/** mayReconnect: 4500 to 4999 are final, everything else is a passing trouble. */
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
  #advised = 0; // when the server asked to come back, as a time
  #pod = '';
  #offline = false; // the browser has said so, and no pod has shown otherwise
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

  /** connect opens a socket now, dropping the wait or the socket there was. */
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

  /** send returns whether the frame was handed to an open socket; it promises nothing about its arrival. */
  send(frame) {
    if (!this.isOpen || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** checkNow asks for a sign of life at once, as after a laptop's sleep. */
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

  // A draining pod gives every client its own moment and closes when that has come; whichever is first counts.
  #comeBack(after) {
    this.#advised = Date.now() + after;
    this.#set({ ...this.#state, draining: true });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#lostAt = Date.now();
      this.connect();
    }, after);
  }

  // A socket on a network that is gone stays silent for minutes before the browser gives it up.
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
      this.checkNow(); // it may be another network than before
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

  // A browser hides why an upgrade failed, and a close code may have several reasons; REST with the same credential tells.
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

  // While the device is offline there is one state for waiting and trying: what there is to say is the same.
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
