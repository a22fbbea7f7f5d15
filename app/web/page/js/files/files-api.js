// Uploads and links of docs/protocol/openapi.yaml. An upload uses XMLHttpRequest,
// because fetch reports no progress of what is sent.

import { APIError } from '../api.js';
import { fileOf } from './kinds.js';

const STALLED = 30_000; // ms without progress before an upload counts as lost
const ANSWER = 120_000; // ms for the answer after the last byte: the server may scan the file
const FRESH = 20_000; // ms that a link must still be valid to be used again

/** Lost: the connection broke, and nobody knows what the server has received. */
export class Lost extends Error {
  constructor() {
    super('The connection broke off.');
  }
}

export class FilesAPI {
  #api;
  #base;
  #token;
  #request;
  #links = new Map(); // id and width → {url, ends}

  /** api makes the calls with JSON; request() makes an XMLHttpRequest. */
  constructor({ api, base, token, request = () => new XMLHttpRequest() }) {
    this.#api = api;
    this.#base = base;
    this.#token = token;
    this.#request = request;
  }

  /**
   * exist reports whether the server has a store of files. Without one the route is unknown, which is 404; with one it
   * is known but has no GET, which is 405. Rejects if the server cannot be asked.
   */
  async exist() {
    try {
      await this.#api.call('GET', 'files');
      return true;
    } catch (error) {
      if (!(error instanceof APIError) || error.status >= 500 || error.status === 429) throw error;
      return error.status !== 404;
    }
  }

  /** link returns a short-lived address of the file, or of a picture at most `width` wide. `fresh` is for one that no longer works. */
  async link(id, { width = 0, fresh = false } = {}) {
    const path = `files/${encodeURIComponent(id)}${width ? `?w=${width}` : ''}`;
    const known = this.#links.get(path);
    if (!fresh && known && known.ends - Date.now() > FRESH) return known.url;
    const answer = await this.#api.call('GET', path);
    const url = new URL(answer.url, this.#base);
    if (url.origin !== this.#base.origin) throw new Error('The server named a file elsewhere.');
    this.#links.set(path, { url: url.href, ends: Date.parse(answer.expires_at) || 0 });
    return url.href;
  }

  /** discard removes a stored file that no message has. That is not urgent: the server removes it anyway after a day. */
  async discard(id) {
    try {
      await this.#api.call('DELETE', `files/${encodeURIComponent(id)}`);
    } catch {
      // It is in use, gone already, or the server is away.
    }
  }

  /**
   * upload sends one file and resolves to it as stored. Rejects with Lost, with an APIError, or with the signal's reason.
   * Repeats with the same key store it once. onProgress(sent, total) counts bytes.
   */
  upload(source, { key, name = source.name, signal, onProgress }) {
    return new Promise((resolve, reject) => {
      const request = this.#request();
      let timer = 0;
      const end = (settle, value) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        settle(value);
      };
      const lose = () => {
        end(reject, new Lost());
        request.abort();
      };
      const abort = () => {
        end(reject, signal.reason);
        request.abort();
      };
      const watch = (patience) => {
        clearTimeout(timer);
        timer = setTimeout(lose, patience);
      };
      request.open('POST', new URL('files', this.#base).href);
      request.setRequestHeader('Authorization', `Bearer ${this.#token}`);
      request.setRequestHeader('Idempotency-Key', key);
      request.upload.onprogress = ({ loaded, total }) => {
        watch(STALLED);
        onProgress?.(loaded, total);
      };
      request.upload.onload = () => watch(ANSWER);
      request.onload = () => {
        const { answer, error } = read(request);
        if (error) end(reject, error);
        else end(resolve, fileOf(answer));
      };
      request.onerror = () => end(reject, new Lost());
      signal?.addEventListener('abort', abort);
      const form = new FormData();
      form.append('file', source, name);
      watch(STALLED);
      request.send(form);
    });
  }
}

function read(request) {
  let answer = {};
  try {
    answer = JSON.parse(request.responseText);
  } catch {
    // A balancer's own error page has no JSON; the status is enough.
  }
  if (request.status === 201 && answer.file_id) return { answer };
  const after = Number(request.getResponseHeader('Retry-After')) * 1000 || 0;
  return { error: new APIError(request.status, answer.code ?? '', answer.message ?? `The server answered ${request.status}.`, after) };
}
