// What a failed upload means to the person who made it. Pure.

import { APIError } from '../api.js';
import { moment } from '../time.js';
import { sizeText } from './kinds.js';

const MOST_TRIES = 8; // of an upload whose connection breaks
const MOST_REFUSALS = 4; // of one that the server puts off
const SOON = 20_000; // ms that an upload waits on its own
const LONGEST_WAIT = 15_000;

/**
 * planFor returns what to do after a failed attempt: {wait} ms before the next, or {text, again}: what to say, and
 * whether the same file may be tried again. tries counts the attempts so far, from 1.
 */
export function planFor(error, tries, now = Date.now()) {
  const pause = Math.min(LONGEST_WAIT, 250 * 2 ** tries);
  if (!(error instanceof APIError)) return tries < MOST_TRIES ? { wait: pause } : { text: 'The connection breaks off again and again.', again: true };
  const puts = error.status === 429 || error.status >= 500;
  if (puts && tries < MOST_REFUSALS && (error.retryAfter ?? 0) <= SOON) return { wait: Math.max(error.retryAfter ?? 0, pause) };
  return { text: textOf(error, now), again: puts };
}

function textOf({ status, message, retryAfter }, now) {
  switch (status) {
    case 413: return tooLarge(message);
    case 415: return 'Files of this type are not accepted.';
    case 422: return 'The virus scanner refused this file.';
    case 429: return `The limit for uploads is reached. Try again ${retryAfter > 0 ? moment(now + retryAfter, now) : 'later'}.`;
    case 401: return 'The sign-in has expired. Open a fresh link.';
    case 403: return 'This account may not upload files.';
    case 404: return 'This server takes no files.';
    default: return status >= 500 ? 'The file cannot be stored just now.' : `The file was refused: ${message}.`;
  }
}

function tooLarge(message) {
  const limit = Number(/larger than (\d+) bytes/.exec(message)?.[1]);
  return limit ? `The file is too large; the limit is ${sizeText(limit)}.` : `The file is too large: ${message}.`;
}
