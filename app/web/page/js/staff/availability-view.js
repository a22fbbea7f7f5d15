// The availability switch in the head. Viewers, who cannot take talks, have none.

import { byID, name, setParts, setText, show } from '../dom.js';

const EVERY = 30_000; // the status may change in another tab

export class AvailabilityView {
  #desk;
  #acts;
  #status = '';
  #said = 0; // count of changes: a response requested before the latest one is outdated
  #saying = false;

  constructor(desk, acts, can) {
    this.#desk = desk;
    this.#acts = acts;
    setParts(byID('who'), name(can.name));
    show(byID('availability'), false);
    if (!can.change) return;
    byID('availability').addEventListener('click', () => this.#switch());
    desk.addEventListener('connected', () => this.#look());
    setInterval(() => this.#look(), EVERY);
  }

  get away() {
    return this.#status === 'away';
  }

  async #look() {
    const said = this.#said;
    try {
      const me = (await this.#acts.colleagues()).find((one) => one.admin_id === this.#desk.me);
      if (said === this.#said && !this.#saying) this.#draw(me?.status ?? (this.#status || 'available')); // a new socket may not be in the list yet
    } catch {
      // Keeps the last state; the light beside it shows the connection.
    }
  }

  async #switch() {
    if (this.#saying) return; // one request at a time, so that they arrive in order
    this.#saying = true;
    this.#said += 1;
    byID('availability').setAttribute('aria-busy', 'true');
    const wanted = this.#status === 'away' ? 'available' : 'away';
    try {
      await this.#acts.available(wanted);
      this.#draw(wanted);
    } catch (error) {
      this.#desk.notice(error.message);
    } finally {
      byID('availability').removeAttribute('aria-busy');
      this.#saying = false;
      this.#said += 1;
    }
  }

  #draw(status) {
    this.#status = status;
    show(byID('availability'), true);
    byID('availability').setAttribute('aria-checked', String(status === 'available'));
    setText(byID('availability-text'), status === 'available' ? 'Available' : 'Away');
  }
}
