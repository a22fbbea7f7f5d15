// The lines above the message box: the place in the queue, and whether staff
// watch the conversation.

import { byID, setText, show } from './dom.js';
import { Help, words } from './help.js';

const TURNS = 3; // requests that are repeated when a frame arrives before the response
const EVENTS = new Set(['queue_position', 'watched', 'unwatched']);

export class HelpView {
  #chat;
  #api;
  #helps = new Map(); // session id → Help
  #heard = 0; // count of relevant frames: a REST response requested before one of them is outdated

  constructor(chat, api) {
    this.#chat = chat;
    this.#api = api;
    byID('ask-person').addEventListener('click', () => chat.askForHelp());
    chat.addEventListener('session', () => this.#draw());
    chat.addEventListener('frame', ({ detail: frame }) => this.#hear(frame));
    chat.addEventListener('switched', () => {
      this.#draw();
      if (chat.current.lastSeq > 0) this.#learn(chat.current.id);
    });
    chat.addEventListener('resumed', ({ detail: id }) => id === chat.current.id && this.#learn(id));
    chat.addEventListener('connection', ({ detail: state }) => {
      if (state.name === 'open') return;
      for (const help of this.#helps.values()) help.watched = false; // each new socket is notified again whether staff watch
      this.#draw();
    });
    setInterval(() => this.#draw(), 60_000); // "tomorrow" changes to "at 09:00"
  }

  /** shows reports whether these lines show the frame, so that no notice is needed. */
  static shows(frame) {
    return frame.type === 'notification' ? EVENTS.has(frame.metadata?.event) : frame.metadata?.available !== undefined;
  }

  #of(id) {
    if (!this.#helps.has(id)) this.#helps.set(id, new Help());
    return this.#helps.get(id);
  }

  #hear(frame) {
    const id = frame.session_id || frame.metadata?.session_id || this.#chat.current.id;
    if (!this.#of(id).hear(frame)) return;
    this.#heard += 1;
    this.#draw();
  }

  // learn asks REST after each attachment, because notifications were missed
  // while the socket was away.
  async #learn(id) {
    for (let turn = 0; turn < TURNS; turn += 1) {
      const heard = this.#heard;
      try {
        const answer = await this.#api.call('GET', `sessions/${id}/help`);
        if (heard !== this.#heard) continue;
        this.#of(id).learn(answer);
      } catch {
        return; // the conversation does not exist yet; the next frame has the state
      }
      this.#draw();
      return;
    }
  }

  #draw() {
    const { current } = this.#chat;
    const help = this.#of(current.id);
    const text = current.holder || current.ended ? '' : words(help.state);
    show(byID('queue-place'), text !== '');
    setText(byID('queue-place-text'), text);
    show(byID('watched'), help.readAlong(current));
    this.#drawAsk();
  }

  // The button for a person is there even before the first message. It is hidden
  // while the user waits for or talks to a person.
  #drawAsk() {
    const { current } = this.#chat;
    const waits = this.#of(current.id).state.waiting;
    const asks = current.asksForPerson;
    show(byID('ask-person'), !current.ended && !current.unavailable && !current.holder && !waits);
    byID('ask-person').disabled = asks;
    setText(byID('ask-person-text'), asks ? 'Asking…' : 'Ask for a person');
  }
}
