// Plays a recording: a button, a slider, the time. The file is fetched when it is
// played for the first time.

import { h, icon, setText } from '../dom.js';
import { clockText } from './kinds.js';

const FAR = 1e7; // s; a seek beyond the end makes a browser find the end

export class Player {
  node;
  #sound = new Audio();
  #source;
  #turn;
  #label;
  #duration; // ms; 0: unknown
  #button;
  #slider;
  #time = h('span', { class: 'player-time', 'aria-hidden': 'true' });
  #tries = 0;
  #measuring = false;

  /**
   * source({fresh}) resolves to the file's address; duration is in ms, 0 if unknown; turn is an object shared by players, of
   * which one plays at a time; onTrouble(text) is called if nothing can be played.
   */
  constructor({ label, duration = 0, source, turn = {}, onTrouble = () => {} }) {
    this.onTrouble = onTrouble;
    this.#label = label;
    this.#duration = duration;
    this.#source = source;
    this.#turn = turn;
    this.#button = h('button', { type: 'button', class: 'round play', onclick: () => this.toggle() }, icon('play'));
    this.#slider = h('input', { type: 'range', min: 0, max: 1, step: 'any', value: 0, 'aria-label': `Position in ${label}`, oninput: () => this.#seek() });
    this.node = h('div', { class: 'player', role: 'group', 'aria-label': label }, this.#button, this.#slider, this.#time);
    this.#sound.preload = 'auto';
    for (const name of ['timeupdate', 'play', 'pause', 'ended', 'durationchange']) this.#sound.addEventListener(name, () => this.#draw());
    this.#sound.addEventListener('loadedmetadata', () => this.#measure());
    this.#sound.addEventListener('error', () => this.#refetch());
    this.#draw();
  }

  async toggle() {
    if (!this.#sound.paused) {
      this.#sound.pause();
      return;
    }
    if (this.#turn.current !== this) this.#turn.current?.pause();
    this.#turn.current = this;
    await this.#load();
    this.#play();
  }

  pause() {
    this.#sound.pause();
  }

  /** stop pauses for good and lets go of the file. */
  stop() {
    this.#sound.pause();
    this.#sound.removeAttribute('src');
  }

  async #load(fresh = false) {
    if (this.#sound.getAttribute('src') && !fresh) return;
    try {
      this.#sound.src = await this.#source({ fresh });
    } catch (error) {
      this.onTrouble(error.message);
    }
  }

  #play() {
    this.#sound.play().catch(() => {}); // the error event tells; a pause during the start is none
  }

  // A link lasts for minutes, a page for days.
  async #refetch() {
    if (!this.#sound.getAttribute('src')) return;
    this.#tries += 1;
    if (this.#tries > 2) {
      this.stop();
      this.#tries = 0;
      this.onTrouble('This recording cannot be played.');
      return;
    }
    const at = this.#position;
    await this.#load(true);
    this.#sound.currentTime = at / 1000;
    if (this.#turn.current === this) this.#play();
  }

  // A recording that a browser streamed has no duration until its end was seen.
  #measure() {
    if (Number.isFinite(this.#sound.duration)) {
      this.#duration ||= this.#sound.duration * 1000;
    } else if (!this.#duration && !this.#measuring) {
      this.#measuring = true;
      const plays = !this.#sound.paused;
      const found = () => {
        if (!Number.isFinite(this.#sound.duration)) return;
        this.#sound.removeEventListener('durationchange', found);
        this.#duration = this.#sound.duration * 1000;
        this.#sound.currentTime = 0;
        if (plays) this.#play();
      };
      this.#sound.addEventListener('durationchange', found);
      this.#sound.currentTime = FAR;
    }
  }

  get #position() {
    return this.#sound.currentTime * 1000;
  }

  async #seek() {
    const share = Number(this.#slider.value);
    await this.#load();
    if (this.#duration) this.#sound.currentTime = (share * this.#duration) / 1000;
  }

  #draw() {
    const playing = !this.#sound.paused;
    const at = this.#sound.ended ? 0 : Math.min(this.#position, this.#duration || Infinity);
    const verb = playing ? 'Pause' : 'Play';
    if (this.#button.dataset.verb !== verb) {
      this.#button.dataset.verb = verb;
      this.#button.replaceChildren(icon(verb.toLowerCase()));
      this.#button.setAttribute('aria-label', `${verb} ${this.#label}`);
    }
    const share = this.#duration ? Math.min(1, at / this.#duration) : 0;
    this.#slider.value = String(share);
    this.#slider.disabled = !this.#duration;
    this.#slider.style.setProperty('--at', `${share * 100}%`);
    const [now, all] = [clockText(at), clockText(this.#duration)];
    this.#slider.setAttribute('aria-valuetext', this.#duration ? `${now} of ${all}` : now);
    setText(this.#time, !this.#duration ? now : at > 0 ? `${now} / ${all}` : all);
  }
}
