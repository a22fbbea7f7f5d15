// The notes of a conversation. A note being edited keeps its box while others
// change.

import { ask } from '../dialog.js';
import { byID, h, isComposing, name, setParts, setText, show } from '../dom.js';
import { moment } from '../time.js';
import { Drafts } from './drafts.js';
import { fits } from './notes.js';

export class NotesView {
  #notes;
  #notice;
  #rows = new Map(); // note id → {node, update}
  #drafts = new Drafts(byID('note'));

  constructor(desk, notes, can) {
    this.#notes = notes;
    this.#notice = (error) => desk.notice(error.message);
    show(byID('note-form'), can.change);
    desk.addEventListener('opened', () => {
      const id = desk.talk?.id ?? '';
      this.#drafts.turn(id);
      notes.of(id);
    });
    desk.addEventListener('told', ({ detail }) => detail.event === 'note' && detail.session === notes.session && notes.look());
    notes.addEventListener('notes', () => this.#draw());
    byID('note-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#add();
    });
    byID('note').addEventListener('keydown', (event) => submitsBy(event) && this.#add());
  }

  async #add() {
    const text = byID('note').value;
    const { session } = this.#notes;
    if (!fits(text)) return;
    byID('note').value = '';
    try {
      await this.#notes.add(text);
    } catch (error) {
      this.#drafts.giveBack(session, text);
      this.#notice(error);
    }
  }

  #draw() {
    const { list, trouble, session } = this.#notes;
    const gone = new Set(this.#rows.keys());
    for (const note of list) {
      gone.delete(note.id);
      if (!this.#rows.has(note.id)) this.#rows.set(note.id, this.#row(note));
      const { node, update } = this.#rows.get(note.id);
      update(note);
      if (!node.isConnected) byID('notes').append(node); // oldest first, so a new note is always last
    }
    for (const id of gone) {
      this.#rows.get(id).node.remove();
      this.#rows.delete(id);
    }
    setText(byID('note-count'), list.length ? String(list.length) : '');
    setText(byID('no-notes'), trouble || 'Only staff sees notes. There are none yet.');
    show(byID('no-notes'), Boolean(session) && (list.length === 0 || trouble !== ''));
  }

  #row(first) {
    let note = first;
    const text = h('p', { class: 'note-text', dir: 'auto' });
    const when = h('span', { class: 'note-when' });
    const who = h('strong');
    const edit = h('button', { type: 'button', class: 'link', onclick: () => this.#edit(node, text, note) }, 'Edit');
    const remove = h('button', { type: 'button', class: 'link', onclick: () => this.#remove(note) }, 'Delete');
    const node = h('li', { class: 'note-row', 'data-note': first.id }, h('p', { class: 'note-head' }, who, when), text, h('p', { class: 'note-acts' }, edit, remove));
    const update = (now) => {
      note = now;
      setParts(who, name(now.admin_name || now.admin_id || 'A former colleague'));
      setText(when, `${moment(now.created_at).replace(/^at /, '')}${now.updated_at ? ', edited' : ''}`);
      setText(text, now.text);
      show(edit, this.#notes.mayEdit(now));
      show(remove, this.#notes.mayRemove(now));
      edit.setAttribute('aria-label', `Edit the note: ${now.text.slice(0, 40)}`);
      remove.setAttribute('aria-label', `Delete the note: ${now.text.slice(0, 40)}`);
    };
    return { node, update };
  }

  #edit(node, text, note) {
    const box = h('textarea', { rows: 3, 'aria-label': 'Note', dir: 'auto' });
    box.value = note.text;
    const done = () => {
      form.remove();
      node.classList.remove('editing');
      node.querySelector('.note-acts button').focus();
    };
    const save = async () => {
      if (!fits(box.value)) return;
      try {
        if (box.value !== note.text) await this.#notes.edit(note.id, box.value);
        done();
      } catch (error) {
        this.#notice(error);
      }
    };
    const form = h('form', { class: 'note-edit', onsubmit: (event) => { event.preventDefault(); save(); } }, box, h('p', { class: 'note-acts' },
      h('button', { type: 'submit', class: 'link' }, 'Save'), h('button', { type: 'button', class: 'link', onclick: done }, 'Cancel')));
    box.addEventListener('keydown', (event) => {
      if (isComposing(event)) return;
      if (event.key === 'Escape') done();
      else if (submitsBy(event)) save();
    });
    node.classList.add('editing');
    text.after(form);
    box.focus();
  }

  async #remove(note) {
    if (!await ask({ title: 'Delete this note?', text: note.text.slice(0, 200), confirm: 'Delete', danger: true })) return;
    try {
      await this.#notes.remove(note.id);
      byID('note').focus();
    } catch (error) {
      this.#notice(error);
    }
  }
}

// submitsBy reports Ctrl or Cmd with Enter; Enter alone inserts a line break.
function submitsBy(event) {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || isComposing(event)) return false;
  event.preventDefault();
  return true;
}
