// The rating of a talk with a person: requested when the talk is over, then given
// or put off. No DOM.

import { inText } from './names.js';

export class Rating {
  requested = false;
  adminName = '';
  given = null; // {score, comment}
  #putOff = false;

  /** asks reports whether to show the question now. */
  get asks() {
    return this.requested && !this.#putOff;
  }

  /** learn applies the REST state. */
  learn(answer) {
    this.requested = Boolean(answer.requested);
    this.adminName = answer.admin_name ?? '';
    this.given = answer.score ? { score: answer.score, comment: answer.comment ?? '' } : null;
  }

  /** hear applies a frame and returns whether the question changed. */
  hear(frame) {
    const meta = frame.metadata ?? {};
    if (frame.type === 'notification' && meta.event === 'rating_requested') {
      this.requested = true;
      this.adminName = meta.admin_name ?? '';
      this.given = null;
      this.#putOff = false; // a new talk asks again
      return true;
    }
    if (frame.type === 'admin_join' && this.requested) { // the talk goes on; the question comes after it
      this.requested = false;
      return true;
    }
    return false;
  }

  /** putOff hides the question until the page is loaded again. */
  putOff() {
    this.#putOff = true;
  }

  gave(answer) {
    this.requested = false;
    this.given = { score: answer.score, comment: answer.comment ?? '' };
  }

  get question() {
    return this.adminName ? `How was the talk with ${inText(this.adminName)}?` : 'How was the talk?';
  }
}
