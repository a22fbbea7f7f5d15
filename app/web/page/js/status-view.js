// The line that says how the connection is, and the banner while it is not.

import { byID, h, setText, show } from './dom.js';

export class StatusView {
  #chat;
  #line = byID('status-text');
  #banner = byID('banner');
  #timer = 0;

  constructor(chat) {
    this.#chat = chat;
    byID('connect-now').addEventListener('click', () => chat.connectNow());
    chat.addEventListener('connection', () => this.#draw());
    this.#draw();
  }

  #draw() {
    clearTimeout(this.#timer);
    const state = this.#chat.connection;
    const root = document.documentElement;
    root.dataset.connection = state.name;
    root.dataset.servedBy = state.name === 'open' ? state.pod : '';
    const text = this.#text(state);
    this.#line.replaceChildren(...text);
    // A short reconnect needs no banner; the line tells it.
    const waits = state.name === 'waiting' || (state.name === 'connecting' && state.attempt > 0);
    const left = state.name === 'waiting' ? state.until - Date.now() : 0;
    const trouble = state.name === 'refused' || (waits && state.attempt > 2);
    show(this.#banner, trouble);
    if (trouble) {
      setText(byID('banner-text'), state.name === 'refused' ? state.reason : `Connection lost. ${this.#countdown(state, left)} What you write is kept and sent then.`);
      show(byID('connect-now'), state.name === 'waiting' || Boolean(state.blocked));
    }
    if (state.name === 'waiting') this.#timer = setTimeout(() => this.#draw(), 250);
  }

  #countdown(state, left) {
    if (state.name === 'connecting') return 'Trying now…';
    return left < 1000 ? 'Trying again…' : `Trying again in ${Math.ceil(left / 1000)} s.`;
  }

  #text(state) {
    switch (state.name) {
      case 'open': return state.draining
        ? ['Moving on: ', h('strong', {}, state.pod), ' is draining']
        : ['Connected · served by ', h('strong', {}, state.pod || 'a pod')];
      case 'connecting': return [state.attempt > 0 ? 'Reconnecting…' : 'Connecting…'];
      case 'waiting': {
        const left = state.until - Date.now();
        return [left < 1000 ? 'Reconnecting…' : `Reconnecting in ${Math.ceil(left / 1000)} s`];
      }
      case 'refused': return ['Not connected'];
      default: return ['Not connected'];
    }
  }
}
