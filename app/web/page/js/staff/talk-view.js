// One conversation, live: what was said, and the means to step in.

import { ask } from '../dialog.js';
import { byID, h, setText, show } from '../dom.js';

const TYPING = 3000; // ms a start is told again after, while somebody writes
const NEAR = 60; // px from the end that still count as reading along
const FINISHES = { error: 'broke off', cancelled: 'stopped by the user', taken_over: 'cut off by the takeover', length: 'cut at the longest' };

export class TalkView {
  #desk;
  #lines = new Map(); // item key → {node, update}
  #shown = null; // the store whose lines these are
  #typed = 0;

  constructor(desk) {
    this.#desk = desk;
    byID('take').addEventListener('click', () => desk.takeOver());
    byID('leave').addEventListener('click', () => desk.handBack());
    byID('back').addEventListener('click', () => desk.close());
    byID('end').addEventListener('click', () => this.#end());
    byID('reply').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#say();
    });
    byID('words').addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#say();
    });
    byID('words').addEventListener('input', () => this.#writes());
    for (const name of ['talk', 'list', 'me']) desk.addEventListener(name, () => this.#draw());
  }

  #draw() {
    const { talk, card, holding } = this.#desk;
    show(byID('talk'), Boolean(talk));
    show(byID('no-talk'), !talk);
    byID('view-talks').classList.toggle('open', Boolean(talk));
    if (!talk) return;
    if (this.#shown !== talk) {
      byID('lines').replaceChildren();
      this.#lines.clear();
      this.#shown = talk;
    }
    setText(byID('talk-name'), card?.name || talk.id);
    setText(byID('talk-facts'), facts(talk, card, holding));
    const taken = Boolean(talk.holder) && !holding;
    show(byID('take'), !holding);
    show(byID('leave'), holding);
    byID('take').disabled = talk.ended || taken;
    byID('end').disabled = talk.ended;
    byID('words').disabled = !holding;
    byID('say').disabled = !holding;
    byID('words').placeholder = holding ? 'Write to the user' : 'Take the conversation over to reply';
    this.#drawLines(talk);
  }

  #drawLines(talk) {
    const list = byID('lines');
    const along = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;
    const gone = new Set(this.#lines.keys());
    talk.items().forEach((item, place) => {
      gone.delete(item.key);
      if (!this.#lines.has(item.key)) this.#lines.set(item.key, line(item));
      const { node, update } = this.#lines.get(item.key);
      update(item);
      if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
    });
    for (const key of gone) {
      this.#lines.get(key).node.remove();
      this.#lines.delete(key);
    }
    if (along) list.scrollTop = list.scrollHeight;
  }

  #say() {
    const text = byID('words').value;
    if (!text.trim() || !this.#desk.holding) return;
    byID('words').value = '';
    this.#typed = 0;
    this.#desk.say(text);
  }

  #writes() {
    const now = Date.now();
    if (byID('words').value === '') this.#desk.typing(false);
    else if (now - this.#typed > TYPING) {
      this.#typed = now;
      this.#desk.typing(true);
    }
  }

  async #end() {
    if (await ask({ title: 'End this conversation?', text: 'Its user can read it, and nothing can be added to it.', confirm: 'End it' })) await this.#desk.end();
  }
}

function facts(talk, card, holding) {
  const who = card?.user_id ?? '';
  if (talk.ended) return `${who} · ended`;
  if (holding) return `${who} · you are speaking with the user, the model is silent`;
  if (talk.holder) return `${who} · held by ${talk.holder.name || talk.holder.id}`;
  return `${who} · watching; the model answers`;
}

function line(item) {
  if (item.kind === 'note') return { node: h('li', { class: 'line note' }, noted(item)), update: () => {} };
  const who = h('div', { class: 'who' });
  const said = h('div', { class: 'said' });
  const state = h('div', { class: 'state' });
  const node = h('li', { class: 'line' }, who, said, state);
  const update = (now) => {
    const admin = now.sender === 'admin' || now.mine;
    node.className = `line ${now.kind === 'answer' ? 'model' : admin ? 'admin' : 'user'}${now.kind === 'answer' && !now.done ? ' running' : ''}`;
    setText(who, now.kind === 'answer' ? 'Model' : admin ? now.adminName || 'You' : 'User');
    setText(said, now.kind === 'answer' ? now.text : now.content || now.filename || now.fileID || '');
    setText(state, now.kind === 'answer' ? FINISHES[now.finish] ?? '' : now.state === 'failed' ? now.error?.message ?? 'not sent' : '');
  };
  return { node, update };
}

function noted(item) {
  switch (item.type) {
    case 'admin_join': return `${item.adminName || item.adminID} took over`;
    case 'admin_leave': return `${item.adminName || item.adminID} handed back`;
    case 'help_request': return 'The user asks for a person';
    case 'model_select': return `Model: ${item.modelID}`;
    case 'session_ended': return item.reason === 'erased' ? 'Erased' : 'Ended';
    default: return item.type;
  }
}
