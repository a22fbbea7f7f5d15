// What was begun in a box and not sent, for each conversation by itself: it must never come into another's.

export class Drafts {
  #box;
  #of = '';
  #kept = new Map(); // conversation → {text, gaps}

  /** The box is a text area; its gaps are what a canned reply has left to be filled in. */
  constructor(box) {
    this.#box = box;
  }

  /** turn shows what was begun in another conversation; '' is none. */
  turn(id) {
    this.#kept.set(this.#of, { text: this.#box.value, gaps: this.#box.dataset.gaps });
    this.#of = id;
    const { text = '', gaps } = this.#kept.get(id) ?? {};
    this.#box.value = text;
    if (gaps) this.#box.dataset.gaps = gaps;
    else delete this.#box.dataset.gaps;
  }

  /** giveBack returns what could not be sent to where it was written, unless something else was begun there. */
  giveBack(id, text) {
    if (id === this.#of) this.#box.value ||= text;
    else if (!this.#kept.get(id)?.text) this.#kept.set(id, { text });
  }
}
