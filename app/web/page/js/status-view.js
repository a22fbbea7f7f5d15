// The line with the state of the connection, and the banner while it is lost.

import { byID, h, name, setText, show } from './dom.js';

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
    // A short reconnect needs no banner; the line is enough.
    const waits = state.name === 'waiting' || (state.name === 'connecting' && state.attempt > 0);
    const offline = state.name === 'offline';
    const trouble = state.name === 'refused' || offline || (waits && state.attempt > 2);
    // Screen readers read the text once; the seconds are for sighted users only.
    setText(byID('banner-text'), trouble ? this.#trouble(state, offline) : '');
    setText(byID('banner-wait'), trouble && waits ? this.#countdown(state) : '');
    show(byID('connect-now'), state.name === 'waiting' || offline || Boolean(state.blocked));
    show(this.#banner, trouble);
    if (state.name === 'waiting') this.#timer = setTimeout(() => this.#draw(), 250);
  }

  #trouble(state, offline) {
    if (state.name === 'refused') return state.reason;
    return `${offline ? 'This device is offline.' : 'Connection lost.'} What you write is sent when the connection is back; keep this page open.`;
  }

  #countdown(state) {
    const left = (state.until ?? 0) - Date.now();
    if (state.name === 'connecting') return 'Trying now…';
    return left < 1000 ? 'Trying again…' : `Trying again in ${Math.ceil(left / 1000)} s.`;
  }

  #text(state) {
    switch (state.name) {
      case 'open': return state.draining
        ? ['Moving on: ', h('strong', {}, name(state.pod)), ' is draining']
        : ['Connected · served by ', h('strong', {}, name(state.pod || 'a pod'))];
      case 'connecting': return [state.attempt > 0 ? 'Reconnecting…' : 'Connecting…'];
      case 'waiting': {
        const left = state.until - Date.now();
        return [left < 1000 ? 'Reconnecting…' : `Reconnecting in ${Math.ceil(left / 1000)} s`];
      }
      case 'offline': return ['Offline'];
      case 'refused': return ['Not connected'];
      default: return ['Not connected'];
    }
  }
}
