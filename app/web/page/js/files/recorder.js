// Records sound from the microphone. No elements: a view draws it.

import { withDuration } from './webm.js';

const TYPES = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4', ''];
const ENDINGS = { 'audio/webm': 'webm', 'audio/ogg': 'ogg', 'audio/mp4': 'm4a' };
const LONGEST = 15 * 60_000; // ms of one recording
const EVERY = 100; // ms between two levels

/** Recorder makes one recording. Events: `level` (time and level have changed), `longest` (it has to stop). */
export class Recorder extends EventTarget {
  level = 0; // loudness, 0 to 1
  #stream = null;
  #recorder = null;
  #sound = null;
  #parts = [];
  #begun = 0;
  #timer = 0;

  /** possible reports whether this browser can record on this page. */
  static get possible() {
    return Boolean(globalThis.navigator?.mediaDevices?.getUserMedia) && typeof MediaRecorder === 'function';
  }

  /** elapsed returns the ms recorded so far. */
  get elapsed() {
    return this.#begun ? Math.round(performance.now() - this.#begun) : 0;
  }

  /** start asks for the microphone and begins. It rejects with a text for people. */
  async start() {
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      throw new Error(refusal(error.name));
    }
    const type = TYPES.find((one) => MediaRecorder.isTypeSupported(one));
    this.#recorder = new MediaRecorder(this.#stream, { ...(type ? { mimeType: type } : {}), audioBitsPerSecond: 32_000 });
    this.#recorder.addEventListener('dataavailable', ({ data }) => data.size > 0 && this.#parts.push(data));
    this.#recorder.start(1000);
    this.#begun = performance.now();
    this.#listen();
  }

  /** stop ends the recording and resolves to {file, duration}. */
  async stop() {
    const duration = this.elapsed;
    const stopped = new Promise((resolve) => this.#recorder.addEventListener('stop', resolve, { once: true }));
    this.#recorder.stop();
    await stopped;
    this.#release();
    const type = this.#recorder.mimeType.split(';')[0];
    const whole = new Uint8Array(await new Blob(this.#parts).arrayBuffer());
    const parts = type === 'audio/webm' ? withDuration(whole, duration) : [whole];
    return { file: new File(parts, `voice-message.${ENDINGS[type] ?? 'webm'}`, { type }), duration };
  }

  /** cancel throws the recording away. */
  cancel() {
    if (this.#recorder?.state === 'recording') this.#recorder.stop();
    this.#release();
  }

  // The level is the root mean square of the last moments, spread over what voices
  // reach.
  #listen() {
    this.#sound = new AudioContext();
    this.#sound.resume();
    const analyser = this.#sound.createAnalyser();
    analyser.fftSize = 2048;
    this.#sound.createMediaStreamSource(this.#stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const loud = Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);
      this.level = Math.min(1, Math.sqrt(loud * 3));
      this.dispatchEvent(new Event('level'));
      if (this.elapsed > LONGEST) this.dispatchEvent(new Event('longest'));
    }, EVERY);
  }

  #release() {
    clearInterval(this.#timer);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#sound?.close();
    this.#sound = null;
    this.#stream = null;
  }
}

function refusal(name) {
  if (name === 'NotAllowedError') return 'The browser does not allow this page to use the microphone.';
  return name === 'NotFoundError' ? 'There is no microphone.' : 'The microphone cannot be used just now.';
}
