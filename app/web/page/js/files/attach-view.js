// Attaches files to the message that is being written: by button, drop and paste.
// Both pages have it; each conversation has a tray of its own.

import { byID, h, icon, setText, show } from '../dom.js';
import { plainName } from '../names.js';
import { kindOf, sizeText } from './kinds.js';
import { Tray } from './tray.js';

export class AttachView {
  #files;
  #notice;
  #onChange;
  #exist = false; // the server has a store of files
  #asked = false;
  #open = false; // the shown conversation takes messages
  #trays = new Map(); // conversation → Tray
  #session = '';
  #chips = new Map(); // Upload → {node, update}
  #list = byID('tray');
  #input = byID('attach-input');
  #cover = h('div', { class: 'drop', hidden: true, 'aria-hidden': 'true' }, h('p', {}, icon('clip'), 'Drop files to attach them'));

  /** files is the FilesAPI; onChange() is called when what is attached has changed. */
  constructor({ files, notice, box, onChange }) {
    this.#files = files;
    this.#notice = notice;
    this.#onChange = onChange;
    byID('attach').addEventListener('click', () => this.#input.click());
    this.#input.addEventListener('change', () => {
      this.#add([...this.#input.files]);
      this.#input.value = ''; // the same file can be chosen again
      box.focus();
    });
    box.addEventListener('paste', (event) => this.#paste(event));
    document.body.append(this.#cover);
    for (const name of ['dragenter', 'dragover', 'dragleave', 'drop']) addEventListener(name, (event) => this.#drag(event));
    addEventListener('offline', () => this.#each((tray) => tray.interrupt()));
    addEventListener('online', () => this.#each((tray) => tray.nudge()));
  }

  /** state of the shown conversation's tray: 'empty', 'busy', 'failed' or 'ready'. */
  get state() {
    return this.#tray?.state ?? 'empty';
  }

  /** possible reports whether files can be attached now. */
  get possible() {
    return this.#exist && this.#open;
  }

  get #tray() {
    return this.#trays.get(this.#session);
  }

  /** connected: a pod can be reached. It is asked once whether there is a store of files. */
  async connected() {
    this.#each((tray) => tray.nudge());
    if (this.#asked) return;
    this.#asked = true;
    try {
      this.#exist = await this.#files.exist();
      this.#draw();
    } catch {
      this.#asked = false; // asked again on the next connection
    }
  }

  /** turn shows the tray of a conversation; '' is none. open: it takes messages. */
  turn(session, open) {
    const same = session === this.#session;
    this.#session = session;
    this.#open = open && session !== '';
    if (!same || byID('attach').hidden === this.possible) this.#draw();
  }

  /** take returns the files of a tray that is ready, and empties it. */
  take() {
    return this.#tray?.take() ?? [];
  }

  /** putBack attaches stored files again. */
  putBack(files) {
    if (files.length > 0) this.#made().putBack(files);
  }

  /** explain says why a message with files cannot be sent yet. */
  explain() {
    if (this.state === 'busy') this.#notice('The files are still being uploaded.');
    if (this.state === 'failed') this.#notice('A file was not uploaded. Try it again, or remove it.');
  }

  #made() {
    if (!this.#tray) {
      const tray = new Tray((source, options) => this.#files.upload(source, options));
      tray.addEventListener('refused', ({ detail }) => this.#notice(detail));
      tray.addEventListener('change', () => tray === this.#tray && this.#draw());
      this.#trays.set(this.#session, tray);
    }
    return this.#tray;
  }

  #each(act) {
    for (const tray of this.#trays.values()) act(tray);
  }

  #add(sources) {
    if (!this.possible || sources.length === 0) return;
    this.#made().add(sources);
    this.#say(sources.length === 1 ? `Uploading ${plainName(sources[0].name)}` : `Uploading ${sources.length} files`);
  }

  #say(text) {
    setText(byID('attach-said'), text);
  }

  // A file copied from a folder brings its name as text. Text copied from an
  // office program brings a picture of itself, which nobody wants.
  #paste(event) {
    const files = [...event.clipboardData.files];
    const text = event.clipboardData.getData('text/plain').trim();
    if (files.length === 0 || !this.possible || (text && !files.some((file) => text.includes(file.name)))) return;
    event.preventDefault();
    this.#add(files);
  }

  // A file that is dropped outside of a target would replace the page.
  #drag(event) {
    if (!event.dataTransfer?.types.includes('Files')) return;
    const possible = this.possible && !document.querySelector('dialog[open]');
    if (event.type !== 'dragleave') event.preventDefault();
    if (event.type === 'dragover') event.dataTransfer.dropEffect = possible ? 'copy' : 'none';
    if (event.type === 'dragenter') show(this.#cover, possible);
    if (event.type === 'dragleave' && !event.relatedTarget) show(this.#cover, false);
    if (event.type !== 'drop') return;
    show(this.#cover, false);
    const items = [...event.dataTransfer.items].filter((item) => item.kind === 'file');
    const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory).length;
    if (folders > 0) this.#notice('A folder cannot be attached; its files can.');
    if (possible) this.#add(items.filter((item) => !item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile()).filter(Boolean));
  }

  #draw() {
    show(byID('attach'), this.possible);
    const uploads = this.#tray?.uploads ?? [];
    for (const [upload, chip] of this.#chips) {
      if (uploads.includes(upload)) continue;
      chip.gone();
      this.#chips.delete(upload);
    }
    for (const upload of uploads) {
      if (!this.#chips.has(upload)) this.#chips.set(upload, this.#chip(upload));
      const chip = this.#chips.get(upload);
      chip.update();
      this.#list.append(...(chip.node.isConnected ? [] : [chip.node]));
    }
    show(this.#list, this.#open && uploads.length > 0);
    this.#onChange();
  }

  #chip(upload) {
    const name = plainName(upload.name) || 'File';
    const local = upload.file === null && kindOf(upload.source) === 'picture' ? URL.createObjectURL(upload.source) : '';
    const picture = local ? h('img', { src: local, alt: '', onerror: () => picture.replaceWith(icon('file')) }) : icon('file');
    const progress = h('progress', { max: 1, value: 0, 'aria-label': `Upload of ${name}` });
    const state = h('span', { class: 'chip-state' });
    const again = h('button', { type: 'button', class: 'link', hidden: true, 'aria-label': `Try again: ${name}`, onclick: () => upload.retry() }, 'Try again');
    const remove = h('button', { type: 'button', class: 'quiet', onclick: () => this.#remove(upload) }, icon('close'));
    const node = h('li', { class: 'attached' }, h('span', { class: 'chip-picture' }, picture),
      h('span', { class: 'chip-text' }, h('span', { class: 'chip-name', dir: 'auto', title: name }, name), h('span', { class: 'chip-line' }, state, again), progress), remove);
    let told = 'done'; // a file that is put back is not news
    if (upload.state !== 'done') told = '';
    const update = () => {
      const running = upload.state === 'queued' || upload.active;
      node.dataset.state = upload.state;
      show(progress, running);
      progress.value = upload.size ? upload.sent / upload.size : 0;
      setText(state, stateOf(upload));
      show(again, upload.state === 'failed' && upload.again);
      remove.setAttribute('aria-label', `${running ? 'Cancel the upload of' : 'Remove'} ${name}`);
      if (told === upload.state || running) return;
      told = upload.state;
      this.#say(upload.state === 'done' ? `${name} is attached.` : `${name} was not uploaded. ${upload.problem}`);
    };
    return { node, update, gone: () => {
      node.remove();
      if (local) URL.revokeObjectURL(local);
    } };
  }

  #remove(upload) {
    const { node } = this.#chips.get(upload);
    const next = (node.nextElementSibling ?? node.previousElementSibling)?.querySelector('.quiet');
    this.#tray.remove(upload);
    if (upload.file) this.#files.discard(upload.file.id);
    this.#say(`${plainName(upload.name)} was removed.`);
    (next ?? byID('attach')).focus();
  }
}

function stateOf(upload) {
  switch (upload.state) {
    case 'queued': return 'Waits for its turn';
    case 'waiting': return 'Waits for the connection';
    case 'failed': return upload.problem;
    case 'done': return sizeText(upload.file.size || upload.size);
    default: return upload.sent >= upload.size ? 'Being checked…' : `${Math.floor((upload.sent / upload.size) * 100)} % of ${sizeText(upload.size)}`;
  }
}
