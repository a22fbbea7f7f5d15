// The head of the conversation: its name and its actions.

import { byID, h, icon, setText, show } from './dom.js';
import { inText, plainName } from './names.js';
import { ask } from './dialog.js';

export class HeaderView {
  #chat;
  #menu = byID('menu');
  #button = byID('menu-toggle');
  #notice;

  constructor(chat, { notice }) {
    this.#chat = chat;
    this.#notice = notice;
    const entry = (symbol, label, act, danger) => h('button', { type: 'button', role: 'menuitem', class: danger ? 'danger' : null, onclick: () => this.#do(act) }, icon(symbol), label);
    this.#menu.append(
      entry('pen', 'Rename', () => this.#rename()),
      entry('person', 'Ask for a person', () => chat.askForHelp()),
      entry('download', 'Export as Markdown', () => this.#export()),
      entry('flag', 'End conversation', () => this.#end()),
      entry('bin', 'Delete for good', () => this.#erase(), true),
    );
    this.#button.addEventListener('click', () => this.#toggle(this.#menu.hidden));
    this.#menu.addEventListener('keydown', (event) => this.#walk(event));
    document.addEventListener('click', (event) => {
      if (!this.#menu.hidden && !event.target.closest('#menu, #menu-toggle')) this.#toggle(false);
    });
    for (const name of ['session', 'sessions', 'switched']) chat.addEventListener(name, () => this.#draw());
  }

  /** closeMenu closes the menu and returns whether it was open. */
  closeMenu() {
    if (this.#menu.hidden) return false;
    this.#toggle(false);
    this.#button.focus();
    return true;
  }

  #draw() {
    const { current } = this.#chat;
    const name = this.#chat.nameOf(current.id);
    setText(byID('title'), plainName(name));
    document.title = current.isEmpty ? 'Chatbox' : `${inText(name)} · Chatbox`;
    show(this.#button, !current.isEmpty && !current.unavailable);
    const [, person, , end] = this.#menu.children;
    person.disabled = current.ended || Boolean(current.holder) || current.asksForPerson;
    end.disabled = current.ended;
  }

  #toggle(open) {
    show(this.#menu, open);
    this.#button.setAttribute('aria-expanded', String(open));
    if (open) this.#menu.firstElementChild.focus();
  }

  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const entries = [...this.#menu.children].filter((entry) => !entry.disabled);
    entries.at((entries.indexOf(document.activeElement) + step) % entries.length).focus();
  }

  async #do(act) {
    this.#toggle(false);
    this.#button.focus();
    try {
      await act();
    } catch (error) {
      this.#notice(error.message);
    }
  }

  async #rename() {
    const name = await ask({ title: 'Rename conversation', value: this.#chat.nameOf(this.#chat.current.id), confirm: 'Rename' });
    if (name) await this.#chat.rename(name);
  }

  async #end() {
    if (await ask({ title: 'End this conversation?', text: 'It stays readable, but nothing can be added to it.', confirm: 'End it' })) await this.#chat.end();
  }

  async #erase() {
    if (await ask({ title: 'Delete this conversation?', text: 'Every message is erased, on every pod and in the history. This cannot be undone.', confirm: 'Delete', danger: true })) await this.#chat.erase();
  }

  async #export() {
    const url = URL.createObjectURL(await this.#chat.export('markdown'));
    h('a', { href: url, download: `${this.#chat.nameOf(this.#chat.current.id).replace(/[^\p{L}\p{N} _-]/gu, '')}.md` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}
