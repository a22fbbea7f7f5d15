// Blocks and unblocks a user; the settings list the blocked users.

import { ask } from '../dialog.js';
import { byID, h, name, setText, show } from '../dom.js';
import { inText } from '../names.js';
import { moment } from '../time.js';

const DAY = 86_400_000;
const SPANS = [['for good', 0], ['for an hour', DAY / 24], ['for a day', DAY], ['for a week', 7 * DAY], ['for 30 days', 30 * DAY]];
const LONGEST = 500; // code points of a reason

export class BlockView {
  #desk;
  #acts;
  #can;
  #user = '';
  #cursor = '';

  constructor(desk, acts, can) {
    this.#desk = desk;
    this.#acts = acts;
    this.#can = can;
    byID('block').addEventListener('click', () => this.#block(this.#user));
    byID('unblock').addEventListener('click', () => this.#unblock(this.#user));
    byID('more-blocks').addEventListener('click', () => this.list(this.#cursor));
    desk.addEventListener('talk', () => this.#look());
  }

  // look reads the block once for each user that is opened.
  async #look() {
    const user = this.#desk.talk ? this.#desk.card?.user_id ?? '' : '';
    if (user === this.#user) return;
    this.#user = user;
    this.#draw(null);
    if (!user) return;
    try {
      const got = await this.#acts.blockOf(user);
      if (user === this.#user) this.#draw(got);
    } catch {
      // The state is unknown: the button stays, and the server reports the
      // problem.
    }
  }

  #draw(block) {
    const blocked = Boolean(block?.blocked);
    show(byID('block'), this.#can.change && !blocked && this.#user !== '' && this.#user !== this.#can.id);
    show(byID('unblock'), this.#can.change && blocked);
    show(byID('blocked'), blocked);
    if (blocked) setText(byID('blocked'), `Blocked ${stateOf(block)}`);
  }

  async #block(user) {
    const answer = await question(user);
    if (!answer) return;
    await this.#try(async () => this.#after(user, await this.#acts.block(user, answer)));
  }

  async #unblock(user) {
    if (!await ask({ title: `Unblock ${inText(user)}?`, text: 'The user can connect and write again at once.', confirm: 'Unblock' })) return;
    await this.#try(async () => this.#after(user, await this.#acts.unblock(user)));
  }

  #after(user, block) {
    if (user === this.#user) this.#draw(block);
    if (byID('view-settings').checkVisibility()) this.list('');
    else byID(block.blocked ? 'unblock' : 'block').focus();
  }

  /** list shows the blocked users in the settings. */
  async list(cursor = '') {
    await this.#try(async () => {
      const page = await this.#acts.blocks(cursor);
      const rows = page.blocks.map((one) => h('li', { class: 'setting-row' },
        h('div', { class: 'setting-text' }, h('strong', {}, name(one.user_id)), h('p', {}, stateOf(one))),
        this.#can.change ? h('button', { type: 'button', class: 'small', 'aria-label': `Unblock ${inText(one.user_id)}`, onclick: () => this.#unblock(one.user_id) }, 'Unblock') : null));
      if (cursor) byID('blocks').append(...rows);
      else byID('blocks').replaceChildren(...rows);
      this.#cursor = page.next_cursor ?? '';
      show(byID('more-blocks'), this.#cursor !== '');
      show(byID('no-blocks'), byID('blocks').children.length === 0);
    });
  }

  async #try(act) {
    try {
      await act();
    } catch (error) {
      this.#desk.notice(error.message);
    }
  }
}

function stateOf({ until, reason, blocked_by: by }) {
  return `${until ? `until ${moment(until).replace(/^(at|on) /, '')}` : 'for good'}${by ? ` by ${inText(by)}` : ''}${reason ? `: ${reason}` : ''}`;
}

// question resolves to {reason, until}, or to null if dismissed.
function question(user) {
  return new Promise((resolve) => {
    const reason = h('textarea', { id: 'block-reason', rows: 3, maxlength: LONGEST, placeholder: 'Staff sees this, the user does not' });
    const span = h('select', { id: 'block-span' }, SPANS.map(([label, ms]) => h('option', { value: ms }, label)));
    const form = h('form', { method: 'dialog', class: 'block-form' }, h('h2', {}, 'Block ', name(user), '?'),
      h('p', {}, 'All connections of this user are closed at once, and nothing can be read or sent from them.'),
      h('label', { for: 'block-span' }, 'How long'), span, h('label', { for: 'block-reason' }, 'Reason (optional)'), reason,
      h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'plain', onclick: () => dialog.close() }, 'Cancel'),
        h('button', { type: 'submit', class: 'primary danger' }, 'Block')));
    const dialog = h('dialog', { 'aria-label': `Block ${inText(user)}` }, form);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      dialog.close('yes');
    });
    dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
    dialog.addEventListener('close', () => {
      const ms = Number(span.value);
      dialog.remove();
      resolve(dialog.returnValue === 'yes' ? { reason: reason.value.trim(), until: ms ? new Date(Date.now() + ms).toISOString() : '' } : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
