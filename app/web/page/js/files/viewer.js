// Shows one picture of a message large. The browser's dialog element handles
// Escape and keeps the focus inside.

import { h, icon, setText, show } from '../dom.js';

const WIDEST = 1600; // px of a smaller picture that the server makes

export class Viewer {
  #shelf;
  #dialog;
  #picture = h('img', { class: 'viewer-picture', alt: '' });
  #caption = h('p', { class: 'viewer-name', dir: 'auto', role: 'status' });
  #trouble = h('p', { class: 'viewer-trouble', role: 'alert', hidden: true });
  #close;
  #back;
  #forward;
  #pictures = [];
  #at = 0;
  #fresh = false;
  #opener = null;

  constructor(shelf) {
    this.#shelf = shelf;
    const button = (label, symbol, act) => h('button', { type: 'button', class: 'quiet', 'aria-label': label, title: label, onclick: act }, icon(symbol));
    this.#back = button('Previous picture', 'left', () => this.#turn(-1));
    this.#forward = button('Next picture', 'right', () => this.#turn(1));
    this.#close = button('Close', 'close', () => this.#dialog.close());
    this.#dialog = h('dialog', { class: 'viewer', 'aria-label': 'Picture' },
      h('div', { class: 'viewer-head' }, this.#caption,
        button('Download the picture', 'download', () => shelf.download(this.#pictures[this.#at])), this.#close),
      h('div', { class: 'viewer-body' }, this.#back, h('div', { class: 'viewer-place' }, this.#picture, this.#trouble), this.#forward));
    this.#dialog.addEventListener('keydown', (event) => this.#key(event));
    this.#dialog.addEventListener('click', (event) => event.target.matches('dialog, .viewer-body, .viewer-place') && this.#dialog.close());
    this.#dialog.addEventListener('close', () => {
      this.#picture.removeAttribute('src');
      this.#dialog.remove();
      this.#opener?.focus();
    });
    this.#picture.addEventListener('error', () => this.#failed());
  }

  /** open shows one of a message's pictures; opener gets the focus back. */
  open(pictures, at, opener) {
    this.#pictures = pictures;
    this.#opener = opener;
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    this.#close.focus();
    this.#show(at);
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.#turn(step);
  }

  #turn(step) {
    const at = this.#at + step;
    if (at >= 0 && at < this.#pictures.length) this.#show(at);
  }

  #show(at) {
    this.#at = at;
    this.#fresh = false;
    const many = this.#pictures.length > 1;
    const { name } = this.#pictures[at];
    setText(this.#caption, many ? `${name} (${at + 1} of ${this.#pictures.length})` : name);
    for (const [button, off] of [[this.#back, at === 0], [this.#forward, at === this.#pictures.length - 1]]) {
      show(button, many);
      if (off && button === document.activeElement) (button === this.#back ? this.#forward : this.#back).focus();
      button.disabled = off;
    }
    this.#picture.alt = name;
    this.#picture.removeAttribute('src');
    this.#load();
  }

  async #load() {
    const picture = this.#pictures[this.#at];
    show(this.#trouble, false);
    show(this.#picture, true);
    try {
      const url = await this.#shelf.link(picture, { width: picture.width > WIDEST ? WIDEST : 0, fresh: this.#fresh });
      if (picture === this.#pictures[this.#at] && this.#dialog.open) this.#picture.src = url;
    } catch (error) {
      if (picture === this.#pictures[this.#at]) this.#say(error.message);
    }
  }

  #failed() {
    if (this.#fresh) this.#say('This picture cannot be shown.');
    else {
      this.#fresh = true; // its link may have expired
      this.#load();
    }
  }

  #say(text) {
    show(this.#picture, false);
    show(this.#trouble, true);
    setText(this.#trouble, text);
  }
}
