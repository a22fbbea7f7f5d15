// The conversation. Items keep their nodes; an item is redrawn only if its
// revision changed.

import { byID, h, icon, name as named, setParts, setText, show } from './dom.js';
import { filesOf, inWords } from './files/kinds.js';
import { wordsOf } from './files/shelf.js';
import { Follow } from './follow.js';
import { inText } from './names.js';
import { MarkdownView, copyButton } from './markdown-view.js';
import { MESSAGES, spoken } from './session-store.js';

const STALLED = 2500; // ms without a piece before the pause is explained
const SILENT = 15_000; // ms without a due answer before a retry is offered

const SUGGESTIONS = [
  ['Show me what Markdown looks like here', 'headings, tables, lists, links'],
  ['Write some Go code with a test', 'highlighted, with a copy button'],
  ['Tell me a long story', 'long enough to kill a pod during an answer'],
  ['Answer slowly, word by word', 'slow enough to press Stop'],
];

const FINISH = {
  cancelled: 'You stopped this answer.',
  length: 'The answer reached its length limit.',
  taken_over: 'A person took over here.',
  content_filter: 'The model’s provider withheld the rest.',
};

export class TranscriptView {
  #chat;
  #shelf;
  #speech;
  #list = byID('transcript');
  #area = byID('conversation');
  #jump = byID('jump');
  #empty = byID('empty');
  #older = byID('older');
  #typing = byID('typing');
  #held = byID('held');
  #nodes = new Map(); // key → {node, update, rev}
  #follow;
  #frame = 0;
  #session = '';

  constructor(chat, { onEdit, shelf, speech }) {
    this.#chat = chat;
    this.#shelf = shelf;
    this.#speech = speech;
    this.onEdit = onEdit;
    this.#follow = new Follow(this.#area, byID('conversation-inner'), (following) => this.#jump.classList.toggle('shown', !following));
    this.#jump.addEventListener('click', () => this.#follow.glideToEnd());
    this.#older.addEventListener('click', () => this.#loadOlder());
    for (const [text, why] of SUGGESTIONS) {
      byID('suggestions').append(h('button', { type: 'button', class: 'suggestion', onclick: () => chat.say(text) }, h('strong', {}, text), h('span', {}, why)));
    }
    chat.addEventListener('switched', () => this.#draw());
    chat.addEventListener('session', () => this.#soon());
    chat.addEventListener('finished', (event) => this.#announce(event.detail));
    chat.addEventListener('frame', (event) => this.#hear(event.detail));
    setInterval(() => this.#soon(), 1000); // shows pauses, which no frame announces
  }

  /** toEnd scrolls to the end after the user's own message. */
  toEnd() {
    this.#follow.glideToEnd();
  }

  #soon() {
    if (this.#frame) return;
    // A hidden tab gets no animation frames, but must be up to date when it is
    // shown.
    this.#frame = document.hidden ? setTimeout(() => this.#draw(), 100) : requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const store = this.#chat.current;
    const switched = this.#session !== store.id;
    if (switched) {
      this.#session = store.id;
      this.#shelf.hush();
      this.#speech.hush();
      this.#list.replaceChildren();
      this.#nodes.clear();
    }
    const items = store.items();
    this.#follow.still = items.length === 0;
    const seen = new Set();
    let last = null;
    for (const item of items) {
      const node = this.#nodeOf(item, store);
      seen.add(item.key);
      const place = last ? last.nextSibling : this.#list.firstChild;
      if (place !== node) this.#list.insertBefore(node, place);
      last = node;
    }
    for (const [key, { node }] of this.#nodes) {
      if (seen.has(key)) continue;
      node.remove();
      this.#nodes.delete(key);
    }
    show(this.#empty, items.length === 0 && !store.unavailable && (store.synced || this.#chat.connection.name !== 'open'));
    show(this.#older, store.oldest > 0);
    show(byID('unavailable'), Boolean(store.unavailable));
    if (store.unavailable) setText(byID('unavailable-text'), store.unavailable.code === 'NOT_FOUND' ? 'This conversation was deleted.' : 'This conversation belongs to someone else.');
    this.#people(store);
    this.#offerRetry(store);
    if (switched) this.#follow.jump();
  }

  #people(store) {
    const { typist } = this.#chat;
    show(this.#typing, typist !== null);
    if (typist !== null) setParts(byID('typing-text'), ...(typist ? [named(typist), ' is writing'] : ['You are writing in another tab']));
    show(this.#held, Boolean(store.holder) && !store.ended);
    if (store.holder) setParts(this.#held, h('span', {}, named(store.holder.name || 'A person'), ' answers here; the model is silent.'));
  }

  #offerRetry(store) {
    show(byID('silent'), store.silentFor > SILENT);
  }

  #nodeOf(item, store) {
    let shown = this.#nodes.get(item.key);
    if (!shown) {
      const make = { answer: () => this.#answer(item), message: () => this.#message(item), note: () => this.#note(item) }[item.kind];
      shown = { ...make(), stamp: '' };
      this.#nodes.set(item.key, shown);
    }
    const context = item.kind === 'answer' ? `${store.retryable === item.replyTo}|${stalled(item)}` : `${store.synced}`;
    const stamp = `${item.rev}|${context}`;
    if (shown.stamp !== stamp) {
      shown.stamp = stamp;
      shown.node.dataset.seq = item.seq || '';
      shown.update(item, store);
    }
    return shown.node;
  }

  // ---- a message ----

  #message(item) {
    const person = item.sender === 'admin';
    const text = h('div', { class: person ? 'text markdown' : 'text', dir: 'auto' });
    const markdown = person ? new MarkdownView(text) : null; // staff's messages may have links; users' messages stay as written
    const files = item.files.length > 0 ? this.#shelf.node(item.files, { voice: item.type === 'voice_message' }) : null;
    const words = wordsOf();
    const time = h('time');
    const state = h('span', { class: 'state' });
    const problem = h('div', { class: 'problem', hidden: true });
    const node = h('li', { class: `message from-${item.sender}`, 'data-id': item.id },
      h('article', { 'aria-label': person ? `${inText(item.adminName) || 'A person'} said` : 'You said' },
        person ? h('div', { class: 'who' }, icon('person'), named(item.adminName || 'A person')) : null,
        files, words.node, text, h('div', { class: 'meta' }, time, state), problem));
    const update = (now, store) => {
      if (markdown) markdown.update(spoken(now));
      else setText(text, spoken(now));
      show(text, spoken(now) !== '');
      words.update(now.transcript);
      node.dataset.state = now.state;
      setTime(time, now.timestamp);
      state.replaceChildren(...stateOf(now, store.synced));
      show(problem, now.state === 'failed');
      if (now.state === 'failed') {
        const again = h('button', { type: 'button', class: 'small', onclick: () => this.#chat.tryAgain(now.id) }, 'Send again');
        problem.replaceChildren(h('span', {}, sentence(now.error)), ...(now.error?.recoverable ? [again] : []),
          h('button', { type: 'button', class: 'small', onclick: () => this.#takeBack(now) }, now.type === 'user_message' ? 'Edit' : 'Discard'));
      }
    };
    return { node, update };
  }

  // takeBack removes a refused message. Files that the server does not know are
  // not attached again.
  #takeBack(item) {
    const text = this.#chat.discard(item.id);
    if (item.type === 'user_message') this.onEdit(text, item.error?.code === 'NOT_FOUND' ? [] : item.files);
  }

  // ---- an answer ----

  #answer(item) {
    const body = h('div', { class: 'markdown' });
    const markdown = new MarkdownView(body);
    const wait = h('div', { class: 'thinking', role: 'img', 'aria-label': 'The answer is being prepared' }, h('i'), h('i'), h('i'));
    const pause = h('p', { class: 'pause', hidden: true }, icon('loop'), 'The answer pauses; more of it is awaited.');
    const footer = h('footer', { hidden: true });
    let listen = null; // it keeps its state when the footer is drawn again
    const name = h('span');
    const time = h('time');
    const node = h('li', { class: 'answer', 'data-id': item.id },
      h('article', { 'aria-label': 'Answer' }, h('header', {}, h('span', { class: 'spark', 'aria-hidden': 'true' }), name, time), body, wait, pause, footer));
    const update = (now, store) => {
      node.dataset.state = now.done ? 'done' : 'running';
      node.dataset.finish = now.finish;
      node.dataset.attempt = now.attempt ?? '';
      node.setAttribute('aria-busy', String(!now.done));
      setText(name, this.#chat.models.find((model) => model.id === now.modelID)?.name ?? now.modelID ?? '');
      setTime(time, now.done ? now.timestamp : '');
      markdown.update(spoken(now));
      show(wait, !now.done && !now.text);
      show(pause, stalled(now));
      show(footer, now.done);
      if (now.done && now.text) listen ??= this.#speech.node(store.id, item.id);
      if (now.done) footer.replaceChildren(...this.#ending(now, store, listen));
    };
    return { node, update };
  }

  #ending(item, store, listen) {
    const parts = [];
    if (item.finish === 'error') parts.push(h('p', { class: 'problem' }, icon('alert'), h('span', {}, sentence(item.error ?? { message: 'The answer broke off; what had been shown is kept.' }))));
    else if (FINISH[item.finish]) parts.push(h('p', { class: 'ending' }, FINISH[item.finish]));
    const actions = h('div', { class: 'actions' });
    if (store.retryable && store.retryable === item.replyTo) {
      actions.append(h('button', { type: 'button', class: 'small retry', onclick: () => this.#chat.retry() }, icon('loop'), 'Try again'));
    }
    if (item.text) actions.append(copyButton(() => item.text, 'Copy the answer'), listen);
    parts.push(actions);
    return parts;
  }

  // ---- what happened to the session ----

  #note() {
    const text = h('span');
    const node = h('li', { class: 'note' }, text);
    const update = (now) => {
      setParts(text, ...this.#noteParts(now));
      node.dataset.state = now.state;
      if (now.state === 'failed') {
        text.append(' ', now.error?.recoverable ? h('button', { type: 'button', class: 'small', onclick: () => this.#chat.tryAgain(now.id) }, 'Try again') : '',
          ' ', h('button', { type: 'button', class: 'small', onclick: () => this.#chat.discard(now.id) }, 'Dismiss'));
      }
    };
    return { node, update };
  }

  // noteParts returns the text of a note. It distinguishes what was requested,
  // confirmed and refused.
  #noteParts(item) {
    const model = () => named(this.#chat.models.find((one) => one.id === item.modelID)?.name ?? item.modelID);
    const failed = item.state === 'failed' ? ` ${sentence(item.error)}` : '';
    switch (item.type) {
      case 'model_select':
        if (failed) return ['The model was not changed.', failed];
        return [item.state === 'pending' ? 'Changing to ' : 'From here on: ', model()];
      case 'help_request':
        if (failed) return ['No person was asked for.', failed];
        return [item.state === 'pending' ? 'Asking for a person…' : 'You asked for a person'];
      case 'admin_join': return [named(item.adminName || 'A person'), ' joined'];
      case 'admin_leave': return [named(item.adminName || 'The person'), ' left; the model answers from here on'];
      case 'disclosure': return [item.content];
      default: return [item.reason === 'erased' ? 'This conversation was deleted' : 'This conversation has ended'];
    }
  }

  // Screen readers hear an answer once, when it is complete.
  #announce(answer) {
    const end = answer.finish === 'stop' ? '' : ` ${FINISH[answer.finish] ?? 'The answer broke off.'}`;
    setText(byID('announcer'), `Answer: ${answer.text.slice(0, 1500)}${end}`);
  }

  // Screen readers hear a person's message when it arrives. Repeats after a
  // reconnect are history.
  #hear(frame) {
    const store = this.#chat.current;
    if ((frame.session_id || store.id) !== store.id || !store.synced || !(frame.seq > store.lastSeq) || frame.sender !== 'admin') return;
    const who = inText(frame.metadata?.admin_name) || 'A person';
    if (frame.type === 'admin_join') setText(byID('announcer'), `${who} joined`);
    else if (MESSAGES.has(frame.type)) {
      const sent = inWords(filesOf(frame), frame.type);
      if (sent) setText(byID('announcer'), `${who} sent ${sent}. ${(frame.content ?? '').slice(0, 1500)}`);
      else setText(byID('announcer'), `${who} said: ${frame.content.slice(0, 1500)}`);
    }
  }

  async #loadOlder() {
    const before = this.#area.scrollHeight - this.#area.scrollTop;
    this.#older.disabled = true;
    try {
      await this.#chat.loadOlder();
      this.#draw();
      this.#area.scrollTop = this.#area.scrollHeight - before;
    } finally {
      this.#older.disabled = false;
    }
  }
}

const stalled = (item) => !item.done && item.text !== '' && Date.now() - item.pieceAt > STALLED;

function stateOf(item, synced) {
  if (item.sender !== 'user') return [];
  if (item.state === 'failed') return [icon('alert'), 'Not sent'];
  if (item.state === 'pending' && !synced) return [icon('clock'), 'Waits for the connection'];
  if (item.state === 'pending') return [icon('clock'), item.error ? 'Trying again…' : 'Sending…'];
  return [icon('check'), h('span', { class: 'hidden' }, 'Saved')];
}

function setTime(node, timestamp) {
  const date = new Date(timestamp);
  if (!timestamp || Number.isNaN(date.getTime())) return;
  node.dateTime = timestamp;
  setText(node, date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
}

/** sentence returns an error's text for people. */
function sentence(error) {
  return error?.message || error?.code || 'Something went wrong.';
}
