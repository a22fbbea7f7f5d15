// The views of the page, of which one is shown; the buttons in the head select
// it.

import { byID, show } from '../dom.js';

export class Views {
  #entered = {}; // view → what to do when it is shown
  #left = {};
  #shown = 'talks';

  constructor() {
    for (const button of byID('views').children) button.addEventListener('click', () => this.open(button.dataset.view));
  }

  /** on registers what a view does when it is shown and when it is left. */
  on(view, entered, left = () => {}) {
    this.#entered[view] = entered;
    this.#left[view] = left;
  }

  open(view) {
    this.#left[this.#shown]?.();
    this.#shown = view;
    for (const button of byID('views').children) {
      const open = button.dataset.view === view;
      button.setAttribute('aria-pressed', String(open));
      show(byID(`view-${button.dataset.view}`), open);
      if (open) button.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
    this.#entered[view]?.();
  }
}
