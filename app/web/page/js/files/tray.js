// The files of one unsent message, and their uploads. No DOM.
//
// An upload survives lost connections: it is repeated with its key, so that the
// server stores the file once. It knows nothing of the socket.

import { uuid } from '../ids.js';
import { planFor } from './trouble.js';

export const MOST_FILES = 10; // of one message
const AT_ONCE = 3;

/**
 * Upload is one file. state: 'queued' · 'running' (`sent` of `size` bytes) · 'waiting' for the connection or the server · 'done'
 * (`file`) · 'failed' (`problem`, and `again` if it may be tried again).
 */
export class Upload {
  state = 'queued';
  sent = 0;
  file = null;
  problem = '';
  again = false;
  #send;
  #changed;
  #tries = 0;
  #timer = 0;
  #attempt = null; // AbortController of the running attempt
  #key;

  /** send(source, {key, name, signal, onProgress}) makes one attempt; changed() is called after each change. */
  constructor(source, { send, changed, name = source.name, key = uuid() }) {
    this.source = source;
    this.name = name;
    this.size = source.size;
    this.#send = send;
    this.#changed = changed;
    this.#key = key;
  }

  /** stored returns an upload that is done: a file which is sent again. */
  static stored(file) {
    const one = new Upload({ name: file.name, size: file.size }, { send: null, changed: () => {}, key: '' });
    return Object.assign(one, { state: 'done', file });
  }

  get active() {
    return this.state === 'running' || this.state === 'waiting';
  }

  async start() {
    clearTimeout(this.#timer);
    if (this.size === 0) {
      this.#set({ state: 'failed', problem: 'The file is empty.', again: false });
      return;
    }
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#tries += 1;
    this.#set({ state: 'running', sent: 0, problem: '' });
    try {
      const file = await this.#send(this.source, {
        key: this.#key, name: this.name, signal: attempt.signal, onProgress: (sent, total) => attempt === this.#attempt && this.#progress(sent, total),
      });
      if (attempt === this.#attempt) this.#set({ state: 'done', file, sent: this.size });
    } catch (error) {
      if (attempt === this.#attempt) this.#failed(error);
    }
  }

  /** retry starts a failed upload again. */
  retry() {
    if (this.state !== 'failed' || !this.again) return;
    this.#tries = 0;
    this.start();
  }

  /** nudge ends a wait: the connection is back. */
  nudge() {
    if (this.state !== 'waiting') return;
    this.#tries = 0;
    this.start();
  }

  /** interrupt ends a running attempt whose connection is gone, and waits. */
  interrupt() {
    if (this.state === 'running') this.#failed(new Error('offline'));
  }

  /** cancel ends the upload. What the server has got by then is removed there. */
  cancel() {
    clearTimeout(this.#timer);
    const attempt = this.#attempt;
    this.#attempt = null;
    attempt?.abort();
  }

  #failed(error) {
    this.cancel();
    const plan = planFor(error, this.#tries);
    if (plan.wait === undefined) {
      this.#set({ state: 'failed', problem: plan.text, again: plan.again });
      return;
    }
    this.#timer = setTimeout(() => this.start(), plan.wait);
    this.#set({ state: 'waiting' });
  }

  #progress(sent, total) {
    // total includes the frame of the body, which is small.
    this.#set({ sent: total ? Math.round((sent / total) * this.size) : 0 });
  }

  #set(change) {
    Object.assign(this, change);
    this.#changed();
  }
}

/** Tray holds the files of one message in their order. Events: `change`; `refused` with a text. */
export class Tray extends EventTarget {
  uploads = [];
  #send;
  #starting = false;

  constructor(send) {
    super();
    this.#send = send;
  }

  /** state: 'empty', 'busy', 'failed' if at least one file has failed, or 'ready'. */
  get state() {
    if (this.uploads.length === 0) return 'empty';
    if (this.uploads.some((one) => one.state === 'failed')) return 'failed';
    return this.uploads.every((one) => one.state === 'done') ? 'ready' : 'busy';
  }

  add(sources) {
    const room = MOST_FILES - this.uploads.length;
    const added = [...sources].slice(0, room).map((source) => new Upload(source, { send: this.#send, changed: () => this.#next() }));
    if (sources.length > room) this.dispatchEvent(new CustomEvent('refused', { detail: `A message carries ${MOST_FILES} files at the most.` }));
    this.uploads.push(...added);
    this.#next();
  }

  /** putBack adds files that are stored already. */
  putBack(files) {
    this.uploads.push(...files.slice(0, MOST_FILES - this.uploads.length).map((file) => Upload.stored(file)));
    this.#next();
  }

  remove(upload) {
    upload.cancel();
    this.uploads = this.uploads.filter((one) => one !== upload);
    this.#next();
  }

  /** take empties a tray that is ready, and returns its files. */
  take() {
    if (this.state !== 'ready') return [];
    const files = this.uploads.map((one) => one.file);
    this.uploads = [];
    this.#next();
    return files;
  }

  nudge() {
    for (const one of this.uploads) one.nudge();
  }

  interrupt() {
    for (const one of this.uploads) one.interrupt();
  }

  #next() {
    if (this.#starting) return; // a start changes the state
    this.#starting = true;
    while (this.uploads.filter((one) => one.active).length < AT_ONCE) {
      const next = this.uploads.find((one) => one.state === 'queued');
      if (!next) break;
      next.start();
    }
    this.#starting = false;
    this.dispatchEvent(new Event('change'));
  }
}
