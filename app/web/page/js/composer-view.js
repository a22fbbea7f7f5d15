// The message box. Enter sends, Shift+Enter inserts a line break, Escape stops
// the answer.

import { byID, h, isEnter, setText, show } from './dom.js';
import { AttachView } from './files/attach-view.js';
import { RecorderView } from './files/recorder-view.js';
import { inText, plainName } from './names.js';

const LONGEST = 32 * 1024; // bytes of UTF-8 that the server accepts

export class ComposerView {
  #chat;
  #input = byID('input');
  #send = byID('send');
  #stop = byID('stop');
  #models = byID('model');
  #drafts = new Map();
  #session = '';
  #attach;
  #recorder;

  constructor(chat, { onSend, files, notice }) {
    this.#chat = chat;
    this.onSend = onSend;
    this.#attach = new AttachView({ files, notice, box: this.#input, onChange: () => this.#sendable() });
    this.#recorder = new RecorderView({ files, notice, onSend: (file) => this.#speak(file) });
    byID('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener('keydown', (event) => {
      if (!isEnter(event)) return;
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener('input', () => {
      this.#changed();
      if (this.#input.value) chat.typing();
    });
    // Also when the box is shown again or its width changes. While it is hidden,
    // its height cannot be measured.
    new ResizeObserver(() => this.#fit()).observe(this.#input);
    this.#stop.addEventListener('click', () => chat.stop());
    this.#models.addEventListener('change', () => {
      chat.selectModel(this.#models.value);
      this.#input.focus();
    });
    byID('silent-retry').addEventListener('click', () => chat.retry());
    byID('begin-new').addEventListener('click', () => chat.create());
    byID('unavailable-new').addEventListener('click', () => chat.create());
    chat.addEventListener('switched', () => this.#switch());
    chat.addEventListener('focus', () => this.focus());
    chat.addEventListener('session', () => this.#update());
    chat.addEventListener('models', () => this.#list());
    chat.addEventListener('connection', ({ detail: { name } }) => {
      if (name === 'open') this.#connected();
    });
  }

  focus() {
    this.#input.focus();
  }

  /** edit puts a text and its files back into the box to be changed and sent again. */
  edit(text, files = []) {
    this.#input.value = text;
    this.#attach.putBack(files);
    this.#changed();
    this.focus();
  }

  #submit() {
    const text = this.#input.value;
    const { state } = this.#attach;
    if (state === 'busy' || state === 'failed') this.#attach.explain();
    if (!this.#ready() || this.#tooLong() || this.#chat.current.ended) return;
    this.#input.value = '';
    this.#chat.say(text, this.#attach.take());
    this.#changed();
    this.onSend();
  }

  #speak(file) {
    const { current } = this.#chat;
    if (current.ended || current.unavailable) return false;
    this.#chat.speak(file);
    this.onSend();
    this.focus();
    return true;
  }

  async #connected() {
    this.#recorder.connected();
    await this.#attach.connected();
    this.#update();
  }

  // ready: there is something to send, and all of it is here.
  #ready() {
    const { state } = this.#attach;
    return state === 'ready' || (state === 'empty' && this.#input.value.trim() !== '');
  }

  #switch() {
    if (this.#session) this.#drafts.set(this.#session, this.#input.value);
    this.#session = this.#chat.current.id;
    this.#input.value = this.#drafts.get(this.#session) ?? '';
    this.#changed();
    this.#update();
    if (matchMedia('(hover: hover)').matches) this.focus();
  }

  #update() {
    const { current } = this.#chat;
    const closed = current.ended || Boolean(current.unavailable);
    show(byID('composer'), !closed);
    this.#attach.turn(current.id, !closed);
    this.#recorder.turn(current.id, this.#attach.possible);
    show(byID('closed'), current.ended && !current.unavailable);
    show(this.#stop, Boolean(current.running));
    show(this.#send, !current.running);
    const model = current.chosenModel || this.#chat.models[0]?.id || '';
    show(byID('model-picker'), this.#chat.models.length > 0 && !current.holder); // no choice of model while a person answers
    if (this.#models.value !== model && this.#models !== document.activeElement) this.#models.value = model;
    this.#input.placeholder = current.holder ? `Write to ${plainName(current.holder.name) ? inText(current.holder.name) : 'the person helping you'}` : 'Write a message';
  }

  #list() {
    const { models } = this.#chat;
    this.#models.replaceChildren(...models.map((model) => h('option', { value: model.id }, model.name || model.id)));
    this.#update();
  }

  // fit grows the box with its text, up to the limit in the style sheet.
  #fit() {
    this.#input.style.height = 'auto';
    if (this.#input.scrollHeight > 0) this.#input.style.height = `${this.#input.scrollHeight}px`;
  }

  #tooLong() {
    return new TextEncoder().encode(this.#input.value).length > LONGEST;
  }

  #changed() {
    this.#fit();
    this.#sendable();
  }

  #sendable() {
    const long = this.#input.value.length > LONGEST / 4 && this.#tooLong();
    this.#send.disabled = !this.#ready() || long;
    show(byID('too-long'), long);
    if (long) setText(byID('too-long'), 'This is more than 32 KiB; please shorten it.');
  }
}
