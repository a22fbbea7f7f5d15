// The state of a user's request for a person: the place in the queue, or why
// nobody is available. No DOM, no socket.

import { moment } from './time.js';

const SENT = /^Help request sent\.\s*/;
const NOBODY = { waiting: false, position: 0, exact: true, total: 0, available: true, reason: 'open', message: '', opensAt: '' };

export class Help {
  state = NOBODY;
  watched = false;

  /** readAlong reports whether staff watch the conversation and nobody holds it. A holder's name is shown anyway. */
  readAlong(session) {
    return this.watched && !session.holder && !session.ended;
  }

  /** learn applies the REST state of this session's request. */
  learn(answer) {
    this.state = answer.waiting ? stateOf(answer) : NOBODY;
  }

  /** hear applies a frame of this session and returns whether the state changed. */
  hear(frame) {
    const meta = frame.metadata ?? {};
    switch (frame.type) {
      case 'connection_status': // confirms a request
        if (meta.available === undefined && meta.position === undefined) return false;
        this.state = stateOf({ ...meta, message: meta.available === 'false' ? (frame.content ?? '').replace(SENT, '') : '' });
        return true;
      case 'notification':
        return this.#told(meta);
      case 'admin_join': case 'admin_leave': case 'session_ended': {
        const waited = this.state.waiting;
        this.state = NOBODY;
        return waited;
      }
      default:
        return false;
    }
  }

  #told(meta) {
    switch (meta.event) {
      case 'queue_position':
        this.state = { ...this.state, waiting: true, ...placeOf(meta) };
        return true;
      case 'watched': case 'unwatched':
        this.watched = meta.event === 'watched';
        return true;
      default:
        return false;
    }
  }
}

// stateOf reads both forms: REST has numbers and booleans, a frame's metadata has
// text.
function stateOf(said) {
  return {
    waiting: true,
    ...placeOf(said),
    available: String(said.available ?? true) === 'true',
    reason: said.reason ?? 'open',
    message: said.message ?? '',
    opensAt: said.opens_at ?? '',
  };
}

// In REST `waiting` is about the request itself; frames also have the number of
// waiting users.
const placeOf = (said) => ({
  position: Number(said.position) || 0, exact: String(said.position_exact ?? true) === 'true', total: typeof said.waiting === 'boolean' ? 0 : Number(said.waiting) || 0,
});

/** words returns the text for the user, one or two sentences, or ''. */
export function words(state, now = Date.now(), locale = undefined, timeZone = undefined) {
  if (!state.waiting) return '';
  const parts = [];
  if (!state.available) {
    parts.push(state.message || (state.reason === 'closed' ? 'Support is closed just now.' : 'Nobody of our staff is here just now.'));
    const opens = state.opensAt ? moment(state.opensAt, now, locale, timeZone) : '';
    if (opens) parts.push(`Support opens again ${opens}.`);
  }
  parts.push(place(state));
  return parts.join(' ');
}

function place({ position, exact, total, available }) {
  if (!exact) return `More than ${position - 1} are before you in the queue.`;
  if (position === 1) return available ? 'You are next in the queue.' : 'Your request is kept; you are first in the queue.';
  if (position > 1) return total >= position ? `You are number ${position} of ${total} in the queue.` : `You are number ${position} in the queue.`;
  return available ? 'You are in the queue.' : 'Your request is kept.';
}
