// The canned replies in the settings. Admins create, edit and delete them;
// viewers read them.

import { ask } from '../dialog.js';
import { byID, h, isComposing, setText, show } from '../dom.js';

const VARIABLES = ['user_id', 'user_name', 'session_name', 'admin_id', 'admin_name', 'date', 'time'];

export class RepliesView {
  #replies;
  #can;
  #editing = ''; // id of the reply in the form, '' for a new one

  constructor(replies, can) {
    this.#replies = replies;
    this.#can = can;
    show(byID('new-reply'), can.change);
    byID('new-reply').addEventListener('click', () => this.#edit(null));
    byID('reply-cancel').addEventListener('click', () => this.#close());
    byID('reply-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#save();
    });
    byID('reply-form').addEventListener('keydown', (event) => event.key === 'Escape' && !isComposing(event) && this.#close());
    byID('variables').append(...VARIABLES.map((name) => h('button', { type: 'button', class: 'chip variable', 'aria-label': `Insert ${name}`, onclick: () => this.#insert(name) }, `{{${name}}}`)));
    replies.addEventListener('replies', () => this.#draw());
  }

  async open() {
    try {
      await this.#replies.look();
    } catch (error) {
      setText(byID('no-replies'), error.message);
      show(byID('no-replies'), true);
    }
  }

  #draw() {
    const { list } = this.#replies;
    byID('replies').replaceChildren(...list.map((reply) => h('li', { class: 'setting-row', 'data-reply': reply.shortcut },
      h('div', { class: 'setting-text' }, h('p', {}, h('strong', {}, `/${reply.shortcut}`), reply.title ? ` ${reply.title}` : ''), h('p', { class: 'setting-body', dir: 'auto' }, reply.text)),
      this.#can.change ? h('div', { class: 'setting-acts' },
        h('button', { type: 'button', class: 'small', 'aria-label': `Edit /${reply.shortcut}`, onclick: () => this.#edit(reply) }, 'Edit'),
        h('button', { type: 'button', class: 'small', 'aria-label': `Delete /${reply.shortcut}`, onclick: () => this.#remove(reply) }, 'Delete')) : null)));
    setText(byID('no-replies'), 'There is no canned reply yet.');
    show(byID('no-replies'), list.length === 0);
  }

  #edit(reply) {
    this.#editing = reply?.id ?? '';
    setText(byID('reply-form-title'), reply ? `Edit /${reply.shortcut}` : 'New canned reply');
    byID('reply-shortcut').value = reply?.shortcut ?? '';
    byID('reply-title').value = reply?.title ?? '';
    byID('reply-text').value = reply?.text ?? '';
    setText(byID('reply-refused'), '');
    show(byID('reply-form'), true);
    show(byID('new-reply'), false);
    byID('reply-shortcut').focus();
    byID('reply-form').scrollIntoView({ block: 'nearest' });
  }

  #close() {
    show(byID('reply-form'), false);
    show(byID('new-reply'), true);
    byID('new-reply').focus();
  }

  async #save() {
    const title = byID('reply-title').value.trim();
    const reply = { shortcut: byID('reply-shortcut').value.trim().replace(/^\//, ''), title: title || undefined, text: byID('reply-text').value };
    try {
      await this.#replies.save(this.#editing, reply);
      this.#close();
    } catch (error) {
      setText(byID('reply-refused'), error.message);
    }
  }

  async #remove(reply) {
    if (!await ask({ title: `Delete /${reply.shortcut}?`, text: 'No colleague can use it any more.', confirm: 'Delete', danger: true })) return;
    try {
      await this.#replies.remove(reply.id);
      byID('new-reply').focus();
    } catch (error) {
      setText(byID('no-replies'), error.message);
      show(byID('no-replies'), true);
    }
  }

  #insert(name) {
    const box = byID('reply-text');
    box.setRangeText(`{{${name}}}`, box.selectionStart, box.selectionEnd, 'end');
    box.focus();
  }
}
