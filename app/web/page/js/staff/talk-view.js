// The open conversation: its head, its actions and the reply box.

import { ask } from '../dialog.js';
import { AttachView } from '../files/attach-view.js';
import { RecorderView } from '../files/recorder-view.js';
import { byID, isEnter, name, setParts, setText, show } from '../dom.js';
import { Menu } from '../menu.js';
import { plainName } from '../names.js';
import { Drafts } from './drafts.js';

const TYPING = 3000; // ms between typing signals

export class TalkView {
  #desk;
  #acts;
  #can;
  #attach;
  #recorder;
  #typed = 0;
  #drafts = new Drafts(byID('words')); // one user's text must never reach another user

  constructor(desk, acts, can, { files, notice }) {
    this.#desk = desk;
    this.#attach = new AttachView({ files, notice, box: byID('words'), onChange: () => this.#sendable() });
    this.#recorder = new RecorderView({ files, notice, onSend: (file) => this.#speak(file) });
    this.#acts = acts;
    this.#can = can;
    byID('take').addEventListener('click', () => desk.takeOver());
    byID('leave').addEventListener('click', () => desk.handBack());
    byID('back').addEventListener('click', () => desk.close());
    byID('end').addEventListener('click', () => this.#end());
    byID('to-talk').addEventListener('click', () => desk.open(desk.reading.from.id, desk.reading.from.card));
    byID('watch-live').addEventListener('click', () => desk.goLive());
    new Menu(byID('transfer'), () => this.#transfers());
    byID('reply').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#say();
    });
    byID('words').addEventListener('keydown', (event) => {
      if (!isEnter(event) || event.defaultPrevented) return;
      event.preventDefault();
      this.#say();
    });
    byID('words').addEventListener('input', () => this.#writes());
    desk.addEventListener('opened', () => this.#switch());
    desk.addEventListener('talk', () => this.#draw());
    desk.addEventListener('connected', () => this.#connected());
  }

  async #connected() {
    this.#recorder.connected();
    await this.#attach.connected();
    this.#draw();
  }

  #switch() {
    this.#drafts.turn(this.#desk.talk?.id ?? '');
    byID('words').dispatchEvent(new Event('filled'));
  }

  #draw() {
    const { talk, card, holding, reading } = this.#desk;
    const { change } = this.#can;
    show(byID('talk'), Boolean(talk));
    show(byID('no-talk'), !talk);
    byID('view-talks').classList.toggle('open', Boolean(talk));
    this.#attach.turn(talk?.id ?? '', holding);
    this.#recorder.turn(talk?.id ?? '', this.#attach.possible);
    if (!talk) return;
    const live = !reading && !talk.ended;
    setText(byID('talk-name'), plainName(card?.name || talk.id));
    setParts(byID('talk-facts'), ...facts(talk, card, holding, reading));
    show(byID('reading'), Boolean(reading));
    show(byID('to-talk'), Boolean(reading?.from));
    show(byID('to-search'), Boolean(reading) && !reading.from);
    show(byID('watch-live'), card?.status !== 'ended');
    this.#drawTypist();
    show(byID('take'), change && live && !holding);
    show(byID('leave'), holding && live);
    show(byID('transfer').parentElement, holding && live);
    show(byID('end'), change && live);
    show(byID('reply'), change && live);
    byID('take').disabled = Boolean(talk.holder) && !holding;
    byID('words').disabled = !holding;
    this.#sendable();
    byID('canned').disabled = !holding;
    byID('words').placeholder = holding ? 'Write to the user; / for a canned reply' : 'Take the conversation over to reply';
  }

  #drawTypist() {
    const { typist, card } = this.#desk;
    show(byID('user-typing'), typist !== null);
    if (typist !== null) setParts(byID('user-typing-text'), typist || card?.user_name || card?.user_id ? name(typist || card.user_name || card.user_id) : 'The user', ' is writing');
  }

  async #transfers() {
    const others = (await this.#acts.colleagues()).filter((one) => one.admin_id !== this.#desk.me);
    if (others.length === 0) throw new Error('No colleague is connected.');
    const { id } = this.#desk.talk;
    return others.map((one) => ({ label: plainName(one.admin_name || one.admin_id), detail: detailOf(one), act: () => this.#try(() => this.#acts.transfer(id, one)) }));
  }

  async #say() {
    const box = byID('words');
    const text = box.value;
    const { id } = this.#desk.talk ?? {};
    const { state } = this.#attach;
    if (state === 'busy' || state === 'failed') this.#attach.explain();
    if ((!text.trim() && state === 'empty') || state === 'busy' || state === 'failed' || !this.#desk.holding) return;
    const gap = box.dataset.gaps ? JSON.parse(box.dataset.gaps).find((name) => text.includes(name)) : '';
    if (gap && !await ask({ title: 'Send it with a gap?', text: `The user would read ${gap} as it stands.`, confirm: 'Send' })) return;
    if (id !== this.#desk.talk?.id || !this.#desk.holding) return;
    box.value = '';
    this.#typed = 0;
    this.#desk.say(text, this.#attach.take());
    box.dispatchEvent(new Event('filled'));
    box.focus();
  }

  #speak(file) {
    if (!this.#desk.holding) return false;
    this.#desk.speak(file);
    byID('words').focus();
    return true;
  }

  #sendable() {
    byID('say').disabled = !this.#desk.holding || this.#attach.state === 'busy' || this.#attach.state === 'failed';
  }

  #writes() {
    const now = Date.now();
    if (byID('words').value === '') {
      if (this.#typed) this.#desk.typing(false);
      this.#typed = 0;
    } else if (now - this.#typed > TYPING) {
      this.#typed = now;
      this.#desk.typing(true);
    }
  }

  async #end() {
    const { id } = this.#desk.talk;
    if (!await ask({ title: 'End this conversation?', text: 'Its user can read it, and nothing can be added to it.', confirm: 'End it' })) return;
    await this.#try(() => this.#acts.end(id));
  }

  async #try(act) {
    try {
      await act();
    } catch (error) {
      this.#desk.notice(error.message);
    }
  }
}

/** detailOf returns whether a colleague is likely to answer. */
export const detailOf = ({ status, holding }) => `${status}${holding ? ` · holds ${holding}` : ''}`;

// facts returns who owns the talk and who answers. It states nothing that the
// live connection does not show.
function facts(talk, card, holding, reading) {
  const who = whose(card);
  if (talk.ended) return [...who, ' · ended'];
  if (reading) return who;
  if (!talk.synced) return [...who, ' · not live just now'];
  if (holding) return [...who, ' · you are speaking with the user, the model is silent'];
  if (talk.holder) return [...who, ' · held by ', name(talk.holder.name || talk.holder.id)];
  return [...who, ' · watching; the model answers'];
}

/** whose returns the parts that name a conversation's user: the name, and the id if it differs. */
export function whose(card) {
  const { user_id: id = '', user_name: called = '' } = card ?? {};
  return called && called !== id ? [name(called), ' (', name(id), ')'] : [name(id)];
}
