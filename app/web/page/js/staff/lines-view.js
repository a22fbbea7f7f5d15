// The lines of the open conversation. Lines keep their elements; a reader at the
// end stays at the end.

import { byID, h, icon, name, setParts, setText, show } from '../dom.js';
import { filesOf, inWords } from '../files/kinds.js';
import { wordsOf } from '../files/shelf.js';
import { MarkdownView } from '../markdown-view.js';
import { inText } from '../names.js';
import { MESSAGES, spoken } from '../session-store.js';
import { clock, day } from '../time.js';

const NEAR = 60; // px from the end that still count as the end
const LONGEST = 600; // maximum characters read out of one line
const FINISHES = { error: 'broke off', cancelled: 'stopped by the user', taken_over: 'cut off by the takeover', length: 'cut at the longest', content_filter: 'withheld by the provider' };

export class LinesView {
  #desk;
  #shelf;
  #speech;
  #list = byID('lines');
  #lines = new Map(); // item key → {node, update}
  #days = new Map(); // day → node of its line
  #shown = null; // the store of the lines shown
  #found = false; // the search hit has been scrolled into view
  #along = true; // the reader is at the end and stays there

  constructor(desk, shelf, speech) {
    this.#desk = desk;
    this.#shelf = shelf;
    this.#speech = speech;
    byID('earlier').addEventListener('click', () => this.#earlier());
    byID('later').addEventListener('click', () => desk.later());
    desk.addEventListener('talk', () => this.#draw());
    desk.addEventListener('heard', ({ detail }) => this.#announce(detail));
    // A hidden list cannot be measured, so the reader's last action decides.
    this.#list.addEventListener('scroll', () => {
      if (this.#list.clientHeight > 0) this.#along = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < NEAR;
    }, { passive: true });
    new ResizeObserver(() => this.#toEnd()).observe(this.#list);
  }

  #draw() {
    const { talk, reading } = this.#desk;
    if (!talk) return;
    if (this.#shown !== talk) {
      this.#shelf.hush();
      this.#speech.hush();
      this.#list.replaceChildren();
      this.#lines.clear();
      this.#days.clear();
      this.#shown = talk;
      this.#found = false;
      this.#along = true;
    }
    const list = this.#list;
    const gone = new Set(this.#lines.keys());
    const days = new Set(this.#days.keys());
    let place = 0;
    let today = '';
    const put = (node) => {
      if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
      place += 1;
    };
    for (const item of talk.items()) {
      gone.delete(item.key);
      const its = day(item.timestamp);
      if (its && its !== today && !(today && !item.seq)) {
        today = its;
        days.delete(its);
        if (!this.#days.has(its)) this.#days.set(its, h('li', { class: 'line note day' }, its));
        put(this.#days.get(its));
      }
      if (!this.#lines.has(item.key)) this.#lines.set(item.key, this.#line(item));
      const { node, update } = this.#lines.get(item.key);
      update(item);
      node.dataset.seq = item.seq || '';
      node.dataset.transcriptSeq = item.transcriptSeq || '';
      put(node);
    }
    remove(this.#lines, gone);
    remove(this.#days, days);
    show(byID('earlier'), talk.oldest > 0);
    show(byID('later'), Boolean(reading?.later));
    if (reading?.seq) this.#bring(reading.seq);
    else this.#toEnd();
  }

  #toEnd() {
    if (this.#along && !this.#desk.reading?.seq && this.#list.clientHeight > 0) this.#list.scrollTop = this.#list.scrollHeight;
  }

  // bring scrolls the search hit into view, once.
  #bring(seq) {
    const node = this.#list.querySelector(`[data-seq="${Number(seq)}"], [data-transcript-seq="${Number(seq)}"]`);
    if (!node || this.#found) return;
    this.#found = true;
    node.classList.add('found');
    node.scrollIntoView({ block: 'center' });
    this.#list.focus({ preventScroll: true });
  }

  async #earlier() {
    const { scrollHeight, scrollTop } = this.#list;
    this.#along = false;
    await this.#desk.earlier();
    this.#list.scrollTop = this.#list.scrollHeight - scrollHeight + scrollTop;
  }

  // Screen readers hear each message once, when it is complete: not each piece of
  // an answer, and not the history.
  #announce({ frame, finished }) {
    const mine = frame.sender !== 'user' && frame.metadata?.admin_id === this.#desk.me;
    if (MESSAGES.has(frame.type) && !mine) setText(byID('announcer'), wrote(frame));
    else if (finished) setText(byID('announcer'), `The model answered: ${finished.text.slice(0, LONGEST)}`);
    else if (frame.type === 'admin_join' || frame.type === 'admin_leave' || frame.type === 'help_request') setText(byID('announcer'), noted({ type: frame.type, adminID: frame.metadata?.admin_id, adminName: frame.metadata?.admin_name }).map((part) => part.textContent ?? part).join(''));
  }

  #line(item) {
    const when = h('time');
    const update = (now) => {
      if (when.dateTime === now.timestamp) return;
      when.dateTime = now.timestamp ?? '';
      setText(when, clock(now.timestamp));
    };
    if (item.kind === 'note') return { node: h('li', { class: 'line note' }, h('span', {}, noted(item)), ' ', when), update };
    const who = h('span', { class: 'who' });
    const answer = item.kind === 'answer';
    const said = h('div', { class: 'said markdown', dir: 'auto' });
    const markdown = new MarkdownView(said);
    const files = item.files?.length > 0 ? this.#shelf.node(item.files, { voice: item.type === 'voice_message' }) : null;
    const words = wordsOf();
    const state = h('div', { class: 'state' });
    const node = h('li', { class: 'line' }, h('div', { class: 'line-head' }, who, when), files, words.node, said, state);
    let listen = null;
    let stamp = '';
    return { node, update: (now) => {
      const admin = now.sender === 'admin' || now.mine;
      const kinds = ['line', answer ? 'model' : admin ? 'admin' : 'user'];
      if (answer && !now.done) kinds.push('running');
      if (!answer && now.state !== 'sent') kinds.push(now.state);
      if (node.classList.contains('found')) kinds.push('found');
      if (node.className !== kinds.join(' ')) node.className = kinds.join(' ');
      const { card } = this.#desk;
      setParts(who, answer ? 'Model' : admin ? (now.adminName ? name(now.adminName) : 'You') : name(card?.user_name || 'User'));
      if (!answer || now.done) update(now);
      const fresh = `${now.rev}|${this.#desk.connection.name}`;
      if (stamp === fresh) return;
      stamp = fresh;
      markdown.update(spoken(now));
      show(said, answer || spoken(now) !== '');
      words.update(now.transcript ?? '');
      if (answer && now.done && now.text && !listen) {
        listen = this.#speech.node(this.#shown.id, now.id);
        node.append(listen);
      }
      state.replaceChildren(...(answer ? [FINISHES[now.finish] ?? ''] : this.#stateOf(now)));
    } };
  }

  #stateOf(item) {
    if (item.state === 'pending') return [icon('clock'), this.#desk.connection.name === 'open' ? 'Sending…' : 'Waits for the connection'];
    if (item.state !== 'failed') return [];
    return [icon('alert'), `Not sent. ${item.error?.message ?? ''} `,
      h('button', { type: 'button', class: 'link', onclick: () => this.#desk.tryAgain(item.id) }, 'Send again'),
      h('button', { type: 'button', class: 'link', onclick: () => this.#desk.discard(item.id) }, 'Discard')];
  }
}

function remove(nodes, keys) {
  for (const key of keys) {
    const it = nodes.get(key);
    (it.node ?? it).remove();
    nodes.delete(key);
  }
}

function wrote(frame) {
  const who = frame.sender === 'user' ? 'The user' : inText(frame.metadata?.admin_name) || 'A colleague';
  const sent = inWords(filesOf(frame), frame.type);
  const words = (frame.content ?? '').slice(0, LONGEST);
  return sent ? `${who} sent ${sent}. ${words}` : `${who} wrote: ${words}`;
}

function noted(item) {
  switch (item.type) {
    case 'admin_join': return [name(item.adminName || item.adminID), ' took over'];
    case 'admin_leave': return [name(item.adminName || item.adminID), ' handed back'];
    case 'help_request': return ['The user asks for a person'];
    case 'model_select': return ['Model: ', name(item.modelID)];
    case 'disclosure': return ['The user was told: ', inText(item.content)];
    case 'session_ended': return [item.reason === 'erased' ? 'Erased' : 'Ended'];
    default: return [item.type];
  }
}
