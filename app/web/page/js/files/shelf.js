// The files of messages as the pages show them: thumbnails, players, cards. Names
// are text nodes, and addresses come from the server's JSON alone.

import { APIError } from '../api.js';
import { h, icon, setText, show } from '../dom.js';
import { clockText, kindOf, sizeText, typeText } from './kinds.js';
import { Player } from './player.js';
import { Viewer } from './viewer.js';

const THUMBNAIL = 640; // px, twice the width that a style gives it
const AGAIN = [2000, 5000, 15_000, 60_000]; // ms between the attempts to load a thumbnail

export class Shelf {
  #files;
  #notice;
  #viewer = new Viewer(this);
  #turn = {}; // which player plays
  #loaders = new WeakMap(); // node → what loads it
  #near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) this.#load(target);
  }, { rootMargin: '200px', scrollMargin: '200px' });

  /** files is the FilesAPI; notice(text) tells the person. */
  constructor(files, notice) {
    this.#files = files;
    this.#notice = notice;
  }

  /** node shows the files of one message. voice: it is a recording. */
  node(files, { voice = false } = {}) {
    const pictures = files.filter((file) => file.id && kindOf(file) === 'picture');
    const shown = files.map((file) => {
      if (file.address) return elsewhere(file);
      if (!file.id) return card(file, h('div'), {});
      if (voice) return this.#sound(file, 'voice message');
      if (kindOf(file) === 'picture') return this.#thumbnail(file, pictures);
      if (kindOf(file) === 'sound') return h('div', { class: 'sound' }, h('span', { class: 'sound-name', dir: 'auto' }, file.name), this.#sound(file, file.name));
      return kindOf(file) === 'video' ? this.#video(file) : this.#document(file);
    });
    return h('div', { class: pictures.length > 1 ? 'files many' : 'files' }, shown);
  }

  /** hush pauses what plays: its conversation is left. */
  hush() {
    this.#turn.current?.pause();
  }

  /** link resolves to a file's address, or rejects with a text for people. */
  async link(file, options) {
    try {
      return await this.#files.link(file.id, options);
    } catch (error) {
      const gone = error instanceof APIError && error.status === 404;
      throw Object.assign(new Error(gone ? 'This file is no longer available.' : `The file cannot be read just now: ${error.message}`), { gone });
    }
  }

  async download(file) {
    try {
      h('a', { href: await this.link(file), download: file.name }).click();
    } catch (error) {
      this.#notice(error.message);
    }
  }

  #load(target) {
    const load = this.#loaders.get(target);
    this.#loaders.delete(target);
    this.#near.unobserve(target);
    load?.();
  }

  #thumbnail(file, pictures) {
    const picture = h('img', { alt: file.name, width: file.width || null, height: file.height || null, decoding: 'async' });
    const node = h('button', { type: 'button', class: 'thumbnail', title: file.name, 'aria-label': `Picture ${file.name}, show it large`, onclick: () => {
      if (node.dataset.state === 'gone') this.#notice('This file is no longer available.');
      else this.#viewer.open(pictures, pictures.indexOf(file), node);
    } }, picture);
    let tries = 0;
    const load = async () => {
      try {
        picture.src = await this.link(file, { width: file.width > THUMBNAIL || !file.width ? THUMBNAIL : 0, fresh: tries > 0 });
      } catch (error) {
        if (error.gone) node.dataset.state = 'gone';
        else later();
      }
    };
    const later = () => {
      const wait = AGAIN[tries];
      tries += 1;
      if (wait && tries === 1) load(); // its link may have expired
      else if (wait) setTimeout(() => node.isConnected && load(), wait);
      else node.dataset.state = 'gone';
    };
    picture.addEventListener('error', later);
    picture.addEventListener('load', () => {
      tries = 0;
      node.dataset.state = 'shown';
    });
    this.#loaders.set(node, load);
    this.#near.observe(node);
    return node;
  }

  #sound(file, label) {
    return new Player({ label, duration: file.duration, turn: this.#turn, source: (options) => this.link(file, options), onTrouble: this.#notice }).node;
  }

  #video(file) {
    const node = card(file, h('button', { type: 'button', onclick: () => this.#play(file, node) }), { verb: 'Play', symbol: 'play' });
    return node;
  }

  async #play(file, node) {
    let tries = 0;
    const film = h('video', { class: 'film', controls: true, playsinline: true, tabindex: '0', 'aria-label': file.name });
    const start = async () => {
      try {
        film.src = await this.link(file, { fresh: tries > 0 });
      } catch (error) {
        this.#notice(error.message);
        return;
      }
      if (node.isConnected) node.replaceWith(film);
      if (tries === 0) film.focus();
      film.play().catch(() => {}); // the error event tells
    };
    film.addEventListener('error', () => {
      tries += 1;
      if (tries < 2) start();
      else {
        film.replaceWith(this.#document(file));
        this.#notice('This video cannot be played here.');
      }
    });
    await start();
  }

  #document(file) {
    return card(file, h('button', { type: 'button', onclick: () => this.download(file) }), { verb: 'Download', symbol: 'download' });
  }
}

function card(file, node, { verb, symbol, facts = factsOf(file) }) {
  node.className = 'card';
  node.title = file.name;
  node.append(icon(kindOf(file) === 'video' ? 'film' : 'file'),
    h('span', { class: 'card-text' }, verb ? h('span', { class: 'hidden' }, `${verb} `) : null,
      h('span', { class: 'card-name', dir: 'auto' }, file.name), facts ? h('span', { class: 'card-facts' }, facts) : null));
  if (symbol) node.append(icon(symbol));
  return node;
}

const factsOf = (file) => [typeText(file), file.duration ? clockText(file.duration) : '', sizeText(file.size)].filter(Boolean).join(' · ');

// elsewhere shows an address that a client gave: a link, never loaded by the page.
function elsewhere(file) {
  const link = h('a', { href: file.address, target: '_blank', rel: 'noopener noreferrer nofollow' });
  return card(file, link, { verb: 'Open', symbol: 'link', facts: new URL(file.address).host });
}

/** wordsOf returns what shows the words of a recording; update(text) shows them when they come. */
export function wordsOf() {
  const node = h('div', { class: 'transcribed', dir: 'auto', hidden: true });
  return { node, update: (text) => {
    show(node, text !== '');
    setText(node, text);
  } };
}
