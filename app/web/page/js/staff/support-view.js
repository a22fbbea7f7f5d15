// The opening hours, in the settings.

import { ask } from '../dialog.js';
import { byID, h, setText, show } from '../dom.js';
import { chips } from './marks.js';
import { addDay, stateOf } from './support.js';

export class SupportView {
  #api;
  #can;
  #days = [];

  constructor(api, can) {
    this.#api = api;
    this.#can = can;
    const zones = Intl.supportedValuesOf?.('timeZone') ?? [];
    byID('zones').append(...['UTC', ...zones].map((value) => h('option', { value })));
    for (const field of byID('support-form').elements) field.disabled = !can.change;
    show(byID('support-acts'), can.change);
    show(byID('add-day-row'), can.change);
    byID('add-day').addEventListener('click', () => this.#addDay());
    byID('day').addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      this.#addDay();
    });
    byID('support-default').addEventListener('click', () => this.#default());
    byID('support-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#save();
    });
  }

  open() {
    return this.#try(async () => this.#draw(await this.#api.call('GET', 'admin/support')));
  }

  #draw(support) {
    byID('hours').value = support.hours ?? '';
    byID('zone').value = support.time_zone ?? 'UTC';
    byID('away').value = support.away_message ?? '';
    this.#daysAre(support.closed_days ?? []);
    setText(byID('support-state'), stateOf(support));
    setText(byID('support-source'), support.source === 'tenant' ? 'These are your own settings.' : 'These are the defaults of this installation.');
    show(byID('support-default'), support.source === 'tenant');
    setText(byID('support-refused'), '');
  }

  #daysAre(days) {
    this.#days = days;
    chips(byID('days'), days, { remove: this.#can.change ? (day) => this.#daysAre(this.#days.filter((one) => one !== day)) : undefined, of: 'list' });
    show(byID('no-days'), days.length === 0);
  }

  #addDay() {
    this.#daysAre(addDay(this.#days, byID('day').value));
    byID('day').value = '';
    byID('day').focus();
  }

  #save() {
    const body = { hours: byID('hours').value.trim(), time_zone: byID('zone').value.trim(), closed_days: this.#days, away_message: byID('away').value };
    return this.#try(async () => {
      this.#draw(await this.#api.call('PUT', 'admin/support', { body }));
      setText(byID('support-saved'), 'Saved.');
    });
  }

  async #default() {
    if (!await ask({ title: 'Back to the default hours?', text: 'Your own hours, days and message are given up.', confirm: 'Back to the default' })) return;
    await this.#try(async () => {
      await this.#api.call('DELETE', 'admin/support');
      await this.open();
    });
  }

  async #try(act) {
    setText(byID('support-saved'), '');
    try {
      await act();
    } catch (error) {
      setText(byID('support-refused'), error.message);
    }
  }
}
