// Sound and desktop notifications for staff, if turned on by the button. They
// contain no text of messages.

import { byID, setText } from '../dom.js';

const KEY = 'chatbox.alerts';
const QUIET = 2000; // ms between two sounds
const NOTES = [[660, 0], [880, 0.14]]; // Hz, seconds

export class Alerts {
  #on = false;
  #audio = null;
  #soundAt = 0;
  #notice;
  #open;

  /** notice(text) shows what the browser refused; open(session) opens the conversation of a clicked notification. */
  constructor({ notice, open }) {
    this.#notice = notice;
    this.#open = open;
    byID('alerts').addEventListener('click', () => this.#switch());
    this.#on = read();
    this.#draw();
    // A page may play sound only after a user's action; after a reload it waits
    // for the first.
    const wake = () => this.#on && this.#sound(false);
    addEventListener('pointerdown', wake, { once: true });
    addEventListener('keydown', wake, { once: true });
  }

  get on() {
    return this.#on;
  }

  /** tell plays the sound, and shows a notification if the page is not visible. */
  tell(text, session = '') {
    if (!this.#on) return;
    this.#sound(true);
    if (!document.hasFocus()) this.#notify(text, session);
  }

  async #switch() {
    this.#on = !this.#on;
    this.#draw();
    keep(this.#on);
    if (!this.#on) return;
    this.#sound(true);
    if (!('Notification' in window)) return;
    const answer = Notification.permission === 'default' ? await Notification.requestPermission() : Notification.permission;
    if (answer !== 'granted' && this.#on) this.#notice('There will be a sound only: this browser does not let the page show notifications.');
  }

  #draw() {
    byID('alerts').setAttribute('aria-pressed', String(this.#on));
    byID('alerts').title = this.#on ? 'Sound and notifications are on' : 'Sound and notifications are off';
    setText(byID('alerts-text'), this.#on ? 'Alerts on' : 'Alerts off');
  }

  #sound(audible) {
    try {
      this.#audio ??= new AudioContext();
      if (this.#audio.state === 'suspended') this.#audio.resume().catch(() => {});
      if (!audible || Date.now() - this.#soundAt < QUIET) return;
      this.#soundAt = Date.now();
      for (const [pitch, after] of NOTES) this.#tone(pitch, this.#audio.currentTime + after);
      document.documentElement.dataset.sounded = String(Number(document.documentElement.dataset.sounded ?? 0) + 1);
    } catch {
      // The machine has no sound.
    }
  }

  #tone(pitch, at) {
    const tone = this.#audio.createOscillator();
    const volume = this.#audio.createGain();
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.12, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.28);
    tone.connect(volume).connect(this.#audio.destination);
    tone.start(at);
    tone.stop(at + 0.3);
  }

  #notify(text, session) {
    if (!('Notification' in window) || Notification.permission !== 'granted') return;
    try {
      const shown = new Notification('Chatbox · Staff', { body: text, tag: session || 'chatbox' });
      shown.onclick = () => {
        window.focus();
        if (session) this.#open(session);
        shown.close();
      };
    } catch {
      // Phones allow notifications for installed pages only; the sound still
      // works.
    }
  }
}

function read() {
  try {
    return localStorage.getItem(KEY) === 'on';
  } catch {
    return false;
  }
}

function keep(on) {
  try {
    if (on) localStorage.setItem(KEY, 'on');
    else localStorage.removeItem(KEY);
  } catch {
    // Storage is not available to this page, so the choice lasts until a reload.
  }
}
