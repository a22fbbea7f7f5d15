// Records a voice message: level and time while it is recorded, a preview, and
// its upload when it is sent. Both pages have it, in the form of the message box.

import { byID, h, icon, setText, show } from '../dom.js';
import { clockText } from './kinds.js';
import { Player } from './player.js';
import { Recorder } from './recorder.js';
import { Upload } from './tray.js';

const BARS = 32;

export class RecorderView {
  #files;
  #notice;
  #onSend;
  #bar = byID('recording');
  #button = byID('record');
  #session = ''; // the conversation that is shown
  #possible = false;
  #of = ''; // the conversation of the recording
  #state = 'idle'; // idle · asking · recording · preview · sending
  #recorder = null;
  #made = null; // {file, duration, address} of a finished recording
  #player = null;
  #upload = null;
  #line = null; // the elements that show the upload

  /** onSend(file) sends a stored recording to the shown conversation and returns whether that was possible. */
  constructor({ files, notice, onSend }) {
    this.#files = files;
    this.#notice = notice;
    this.#onSend = onSend;
    this.#button.addEventListener('click', () => this.#start());
    addEventListener('offline', () => this.#upload?.interrupt());
    addEventListener('online', () => this.#upload?.nudge());
  }

  /** connected: a pod can be reached. */
  connected() {
    this.#upload?.nudge();
  }

  /** turn shows a conversation. possible: it takes files. A recording stays with the conversation in which it was begun. */
  turn(session, possible) {
    const left = session !== this.#session;
    this.#session = session;
    this.#possible = possible && Recorder.possible;
    if ((left || !possible) && this.#state === 'recording') this.#stop();
    this.#show();
  }

  async #start() {
    if (this.#state !== 'idle') {
      this.#notice('There is an unsent recording in another conversation.');
      return;
    }
    this.#state = 'asking';
    this.#of = this.#session;
    const recorder = new Recorder();
    this.#recorder = recorder;
    try {
      await recorder.start();
    } catch (error) {
      this.#reset();
      this.#notice(error.message);
      return;
    }
    if (this.#of !== this.#session || !this.#possible) { // the person went elsewhere instead of answering
      this.#discard();
      return;
    }
    this.#state = 'recording';
    this.#drawRecording(recorder);
    recorder.addEventListener('longest', () => this.#stop(), { once: true });
  }

  #drawRecording(recorder) {
    const time = h('span', { class: 'recording-time', 'aria-hidden': 'true' }, '0:00');
    const bars = Array.from({ length: BARS }, () => h('i'));
    const stop = h('button', { type: 'button', class: 'round', 'aria-label': 'Stop recording', title: 'Stop', onclick: () => this.#stop() }, icon('stop'));
    recorder.addEventListener('level', () => {
      setText(time, clockText(recorder.elapsed));
      const first = bars.shift();
      bars.push(first);
      first.style.setProperty('--level', String(recorder.level));
      first.parentNode.append(first);
    });
    this.#draw('Recording', h('span', { class: 'recording-dot', 'aria-hidden': 'true' }), time, h('span', { class: 'level', 'aria-hidden': 'true' }, bars), stop);
    stop.focus();
  }

  async #stop() {
    if (this.#state !== 'recording') return;
    this.#state = 'preview';
    const { file, duration } = await this.#recorder.stop();
    this.#made = { file, duration, address: URL.createObjectURL(file) };
    this.#drawPreview(`Recorded, ${Math.round(duration / 1000)} seconds. Listen to it, send it or discard it.`);
  }

  #drawPreview(said) {
    this.#state = 'preview';
    const { duration, address } = this.#made;
    this.#player?.stop();
    this.#player = new Player({ label: 'your recording', duration, source: async () => address, onTrouble: this.#notice });
    const send = h('button', { type: 'button', class: 'round', 'aria-label': 'Send the voice message', title: 'Send', onclick: () => this.#send() }, icon('up'));
    this.#draw(said, this.#player.node, send);
    if (!this.#bar.hidden) send.focus();
  }

  #send() {
    this.#player.pause();
    this.#state = 'sending';
    this.#line = {
      progress: h('progress', { max: 1, value: 0, 'aria-label': 'Upload of the voice message' }),
      state: h('span', { class: 'recording-state' }),
      again: h('button', { type: 'button', class: 'small', hidden: true, onclick: () => this.#upload.retry() }, 'Try again'),
    };
    this.#upload ??= new Upload(this.#made.file, { send: (source, options) => this.#files.upload(source, options), changed: () => this.#uploaded() });
    this.#draw('Sending the voice message', ...Object.values(this.#line));
    if (this.#upload.state === 'done') this.#deliver();
    else this.#upload.start();
  }

  #uploaded() {
    const { progress, state, again } = this.#line;
    const { state: now, sent, size, problem } = this.#upload;
    progress.value = sent / size;
    show(progress, now !== 'failed');
    show(again, now === 'failed' && this.#upload.again);
    setText(state, { waiting: 'Waits for the connection', failed: problem }[now] ?? 'Sending…');
    if (now === 'failed') this.#say(problem);
    if (now === 'done') this.#deliver();
  }

  // deliver sends the stored recording, or keeps it until its conversation is shown.
  #deliver() {
    const { file } = this.#upload;
    if (this.#of === this.#session && this.#onSend({ ...file, duration: file.duration || this.#made.duration })) {
      this.#reset();
      this.#say('The voice message is sent.');
    } else this.#drawPreview('The voice message was not sent yet.');
  }

  #discard() {
    this.#recorder?.cancel();
    this.#upload?.cancel();
    this.#reset();
    this.#say('The recording was discarded.');
    this.#button.focus();
  }

  #reset() {
    this.#player?.stop();
    if (this.#made) URL.revokeObjectURL(this.#made.address);
    this.#recorder = null;
    this.#made = null;
    this.#player = null;
    this.#upload = null;
    this.#of = '';
    this.#state = 'idle';
    this.#bar.replaceChildren();
    this.#show();
  }

  #draw(said, ...parts) {
    const discard = h('button', { type: 'button', class: 'quiet', 'aria-label': 'Discard the recording', title: 'Discard', onclick: () => this.#discard() }, icon('bin'));
    const inside = this.#bar.contains(document.activeElement);
    this.#bar.replaceChildren(discard, ...parts);
    this.#bar.dataset.state = this.#state;
    this.#say(said);
    this.#show();
    if (inside) discard.focus();
  }

  #show() {
    const shown = this.#state !== 'idle' && this.#state !== 'asking' && this.#of === this.#session;
    show(this.#bar, shown);
    this.#bar.closest('form').classList.toggle('records', shown);
    show(this.#button, this.#possible);
  }

  #say(text) {
    setText(byID('attach-said'), text);
  }
}
