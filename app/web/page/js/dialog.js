// A question to the user that can be answered or dismissed. The browser's dialog
// element handles focus and Escape.

import { h } from './dom.js';

/** ask resolves to null if dismissed, otherwise to the text (with `value`) or to true. */
export function ask({ title, text, value, confirm, danger }) {
  return new Promise((resolve) => {
    const input = value === undefined ? null : h('input', { type: 'text', value, maxlength: '120', dir: 'auto', 'aria-label': title, autocomplete: 'off' });
    const form = h('form', { method: 'dialog' }, h('h2', { dir: 'auto' }, title), text ? h('p', { dir: 'auto' }, text) : null, input, h('div', { class: 'buttons' },
      h('button', { type: 'button', class: 'plain', onclick: () => dialog.close() }, 'Cancel'),
      h('button', { type: 'submit', class: danger ? 'primary danger' : 'primary', value: 'yes' }, confirm)));
    const dialog = h('dialog', { 'aria-label': title }, form);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      dialog.close('yes');
    });
    dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
    dialog.addEventListener('close', () => {
      dialog.remove();
      if (dialog.returnValue !== 'yes') resolve(null);
      else resolve(input ? input.value.trim() || null : true);
    });
    document.body.append(dialog);
    dialog.showModal();
    input?.select();
  });
}
