// Unsent text of the reply box, for each conversation separately, so that it
// never appears in another one.

export class Drafts {
  #box;
  #of = '';
  #kept = new Map(); // conversation → {text, gaps}

  /** The box is a text area; its gaps are the places of a canned reply that are still to be filled in. */
  constructor(box) {
    this.#box = box;
  }

  /** turn shows the draft of another conversation; '' is none. */
  turn(id) {
    this.#kept.set(this.#of, { text: this.#box.value, gaps: this.#box.dataset.gaps });
    this.#of = id;
    const { text = '', gaps } = this.#kept.get(id) ?? {};
    this.#box.value = text;
    if (gaps) this.#box.dataset.gaps = gaps;
    else delete this.#box.dataset.gaps;
  }

  /** giveBack puts a text that could not be sent back into its conversation's draft, unless there is a new one. */
  giveBack(id, text) {
    if (id === this.#of) this.#box.value ||= text;
    else if (!this.#kept.get(id)?.text) this.#kept.set(id, { text });
  }
}
