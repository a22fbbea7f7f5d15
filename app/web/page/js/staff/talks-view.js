// The user's other conversations, newest first. The list shows no messages, so
// that opening one is a deliberate act.

import { byID, h, setText, show } from '../dom.js';
import { plainName } from '../names.js';
import { ago, plural } from '../time.js';

const SHOWN = 20;

export class TalksView {
  #desk;
  #api;
  #user = '';
  #asked = 0;
  #sessions = [];
  #total = 0;

  constructor(desk, api) {
    this.#desk = desk;
    this.#api = api;
    desk.addEventListener('opened', () => {
      this.#user = ''; // there may be a new one meanwhile
      this.#look();
    });
    desk.addEventListener('talk', () => this.#look());
  }

  async #look() {
    const user = this.#desk.talk ? this.#desk.card?.user_id ?? '' : '';
    if (user === this.#user) return;
    this.#user = user;
    const asked = ++this.#asked;
    this.#sessions = [];
    this.#total = 0;
    this.#draw(user ? 'Loading…' : '');
    if (!user) return;
    let trouble = '';
    try {
      const page = await this.#api.call('GET', `admin/sessions?user_id=${encodeURIComponent(user)}&sort_by=last_activity&sort_order=desc&limit=${SHOWN + 1}`);
      if (asked !== this.#asked) return;
      this.#sessions = page.sessions.filter((s) => s.id !== this.#desk.talk?.id).slice(0, SHOWN);
      this.#total = Math.max(0, page.total - 1);
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#user = ''; // read again with the next change
      trouble = error.message;
    }
    this.#draw(trouble);
  }

  #draw(said) {
    byID('earlier-talks').replaceChildren(...this.#sessions.map((s) => h('li', {}, h('button', { type: 'button', class: 'earlier-talk', 'data-session': s.id, onclick: () => this.#open(s) },
      h('span', { class: 'name', dir: 'auto' }, plainName(s.name || s.id)),
      h('span', { class: 'facts' }, `${ago(s.last_activity)} · ${plural(s.message_count, 'message')}${s.status === 'ended' ? ' · ended' : ''}`)))));
    const left = this.#total - this.#sessions.length;
    setText(byID('no-earlier-talks'), said || (this.#sessions.length === 0 ? 'None' : left > 0 ? `and ${left} more; the search finds them` : ''));
    show(byID('no-earlier-talks'), byID('no-earlier-talks').textContent !== '');
  }

  // A conversation that is read leads back to the live one from which it was
  // opened.
  #open(session) {
    const { talk, card, reading } = this.#desk;
    this.#desk.read(session, 0, reading ? reading.from : { id: talk.id, card });
  }
}
