// Listening to answers. One speech plays at a time.

import { APIError } from './api.js';
import { h, icon, setText, show } from './dom.js';

const WORDS = { idle: 'Listen', loading: 'Cancel', playing: 'Stop' };
const LABELS = { idle: 'Listen to the answer', loading: 'Cancel listening to the answer', playing: 'Stop the answer' };
const SYMBOLS = { idle: 'play', loading: 'loop', playing: 'stop' };

export class Speech {
  #api;
  #sound;
  #exists = null; // a promise
  #playing = null; // what ends the speech that loads or plays

  /** sound() makes an element that plays. */
  constructor(api, { sound = () => new Audio() } = {}) {
    this.#api = api;
    this.#sound = sound;
  }

  /**
   * exist reports whether the server speaks answers. Without a vendor of speech the route is unknown, which is 404; with
   * one it is known but has no GET, which is 405. Rejects if the server cannot be asked.
   */
  exist() {
    this.#exists ??= this.#ask();
    return this.#exists;
  }

  async #ask() {
    try {
      await this.#api.call('GET', path('none', 'none'));
      return false;
    } catch (error) {
      if (error instanceof APIError && error.status < 500 && error.status !== 429) return error.status === 405;
      this.#exists = null; // the next answer asks again
      throw error;
    }
  }

  /** hush ends the speech: its conversation is left. */
  hush() {
    this.#playing?.();
  }

  /** node returns a button that speaks an answer, and its trouble. It shows itself if the server speaks. */
  node(session, answer) {
    const word = h('span', {}, WORDS.idle);
    const trouble = h('span', { class: 'listen-trouble', role: 'status', dir: 'auto' });
    const button = h('button', { type: 'button', class: 'quiet listen' }, icon(SYMBOLS.idle), word);
    const node = h('span', { class: 'listening', hidden: true }, button, trouble);
    const become = (state) => {
      button.dataset.state = state;
      button.setAttribute('aria-label', LABELS[state]);
      button.setAttribute('aria-busy', String(state === 'loading'));
      button.title = LABELS[state];
      button.firstChild.replaceWith(icon(SYMBOLS[state]));
      setText(word, WORDS[state]);
    };
    become('idle');
    button.addEventListener('click', () => {
      const idle = button.dataset.state === 'idle';
      this.hush();
      setText(trouble, '');
      if (idle) this.#play(session, answer, { become, fail: (text) => setText(trouble, text) });
    });
    this.exist().then((exists) => show(node, exists), () => {}); // an answer without the button is whole, too
    return node;
  }

  async #play(session, answer, { become, fail }) {
    const loading = new AbortController();
    const sound = this.#sound();
    let address = '';
    const end = () => {
      if (this.#playing === end) this.#playing = null;
      loading.abort();
      sound.pause();
      if (address) URL.revokeObjectURL(address);
      become('idle');
    };
    this.#playing = end;
    become('loading');
    try {
      const response = await this.#api.call('POST', path(session, answer), { raw: true, signal: loading.signal });
      const content = await response.blob();
      if (this.#playing !== end) return;
      address = URL.createObjectURL(content);
      sound.src = address;
      sound.addEventListener('ended', end);
      sound.addEventListener('error', () => {
        if (this.#playing !== end) return;
        end();
        fail('This speech cannot be played here.');
      });
      await sound.play();
      if (this.#playing === end) become('playing');
    } catch (error) {
      if (this.#playing !== end) return; // it was cancelled
      end();
      fail(error instanceof APIError ? error.message : 'The speech could not be loaded. Please try again.');
    }
  }
}

const path = (session, answer) => `sessions/${encodeURIComponent(session)}/messages/${encodeURIComponent(answer)}/speech`;
