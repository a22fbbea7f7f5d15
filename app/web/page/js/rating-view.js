// The question after a talk: five stars, which are a radio group for keyboard and
// screen readers, and a comment.

import { byID, h, icon, isComposing, setText, show } from './dom.js';
import { Rating } from './rating.js';

const SAID = ['very bad', 'bad', 'fair', 'good', 'very good'];
const THANKS = 5000; // ms for which the thanks are shown

export class RatingView {
  #chat;
  #api;
  #notice;
  #ratings = new Map(); // session id → Rating
  #heard = 0; // count of relevant frames: a REST response requested before one of them is outdated
  #shown = null;
  #drafts = new Map(); // session id → {score, comment}: an unfinished answer, kept while another conversation is shown

  constructor(chat, api, { notice }) {
    this.#chat = chat;
    this.#api = api;
    this.#notice = notice;
    byID('stars').append(...SAID.map((said, i) => h('label', { title: said },
      h('input', { type: 'radio', name: 'score', value: i + 1, 'aria-label': `${i + 1} of 5: ${said}` }), icon('star'))));
    byID('rating').addEventListener('change', () => this.#chosen());
    byID('rating').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#give();
    });
    byID('rating').addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || isComposing(event)) return;
      event.preventDefault(); // Escape elsewhere stops an answer
      this.#putOff();
    });
    byID('rating-later').addEventListener('click', () => this.#putOff());
    chat.addEventListener('frame', ({ detail: frame }) => {
      const id = frame.session_id || frame.metadata?.session_id || chat.current.id;
      if (!this.#of(id).hear(frame)) return;
      this.#heard += 1;
      this.#draw();
    });
    chat.addEventListener('switched', () => {
      this.#draw();
      if (chat.current.lastSeq > 0) this.#learn(chat.current.id);
    });
    chat.addEventListener('resumed', ({ detail: id }) => id === chat.current.id && this.#learn(id));
  }

  /** shows reports whether this question shows the frame, so that no notice is needed. */
  static shows(frame) {
    return frame.type === 'notification' && frame.metadata?.event === 'rating_requested';
  }

  #of(id) {
    if (!this.#ratings.has(id)) this.#ratings.set(id, new Rating());
    return this.#ratings.get(id);
  }

  async #learn(id) {
    const heard = this.#heard;
    try {
      const answer = await this.#api.call('GET', `sessions/${id}/rating`);
      if (heard === this.#heard) this.#of(id).learn(answer);
    } catch {
      return; // there is no talk to rate
    }
    this.#draw();
  }

  #draw() {
    const { id } = this.#chat.current;
    const rating = this.#of(id);
    if (this.#shown && this.#shown !== id) this.#drafts.set(this.#shown, this.#answer());
    if (this.#shown !== id) this.#restore(this.#drafts.get(id));
    this.#shown = id;
    show(byID('rating'), rating.asks);
    setText(byID('rating-question'), rating.question);
  }

  #answer() {
    return { score: Number(new FormData(byID('rating')).get('score')) || 0, comment: byID('rating-comment').value };
  }

  #restore(draft) {
    byID('rating').reset();
    if (draft?.score) byID('stars').children[draft.score - 1].firstChild.checked = true;
    byID('rating-comment').value = draft?.comment ?? '';
    this.#chosen();
  }

  #chosen() {
    const { score } = this.#answer();
    byID('rating-send').disabled = score === 0;
    show(byID('rating-comment'), score > 0);
    setText(byID('rating-said'), score ? SAID[score - 1] : '');
  }

  async #give() {
    const { id } = this.#chat.current;
    const { score, comment } = this.#answer();
    if (!score) return;
    byID('rating-send').disabled = true;
    try {
      this.#of(id).gave(await this.#api.call('POST', `sessions/${id}/rating`, { body: { score, comment: comment.trim() || undefined } }));
      this.#drafts.delete(id);
      if (id === this.#chat.current.id) {
        this.#restore();
        this.#leave();
      }
      this.#notice('Thank you for your rating.', THANKS);
    } catch (error) {
      this.#chosen();
      this.#notice(error.message);
    }
    this.#draw();
  }

  #putOff() {
    this.#of(this.#chat.current.id).putOff();
    this.#leave();
    this.#draw();
  }

  // Removes the box. Keyboard focus inside it moves to the message box.
  #leave() {
    if (byID('rating').contains(document.activeElement)) byID(this.#chat.current.ended ? 'begin-new' : 'input').focus();
  }
}
