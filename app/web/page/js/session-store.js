// The state of one session as known to this tab. No DOM, no socket: frames in,
// items out.
//
// Guarantees:
//   - durable events take effect in `seq` order, each once; a hole is never skipped but requested again
//   - pieces of an answer take effect by (attempt, index), each once; a snapshot replaces all text shown so far
//   - a message is "sent" once it is acked, and is repeated with its id until then

import { ASKS, answerableFrom } from './answerable.js';
import { filesOf } from './files/kinds.js';

const CONTROL = new Set(['help_request', 'model_select', 'admin_join', 'admin_leave', 'session_ended', 'disclosure']);
/** MESSAGES are the types of what people say. */
export const MESSAGES = new Set(['user_message', 'file_upload', 'voice_message']);
const TRANSIENT = new Set(['read', 'typing_indicator', 'notification', 'connection_status']); // `read` has a seq that is not its own
const UNFINISHED = new Set(['error', 'cancelled', 'taken_over']);
const FINISH_OF_STATUS = { complete: 'stop', cancelled: 'cancelled', taken_over: 'taken_over', failed: 'error' };
const PAUSE = 2500; // ms between two pieces that a reader notices
const MOST_TRIES = 6;

export class SessionStore {
  lastSeq = 0;
  ended = false;
  erased = false;
  unavailable = null; // {code, message}: this user cannot use this session
  holder = null; // {id, name} of the person who answers instead of the model
  modelID = '';
  synced = false; // attached on the current socket, history replayed
  oldest = 0; // the smallest seq shown, if the server has older ones
  #newID;
  #now;
  #bySeq = new Map(); // seq → item
  #pending = new Map(); // id → item, in order of creation
  #own = new Map(); // id → message item, acked or not
  #transcripts = new Map(); // seq of a recording → {transcript, transcriptSeq}
  #answers = new Map(); // id → answer item
  #asking = false; // a resume is running
  #askedAt = 0;
  #repair = null; // a seq to resume from after the running resume
  #order = 0;
  #heardAt = 0; // when the last sign of an answer came, or when one became due

  constructor(id, { newID, now = Date.now }) {
    this.id = id;
    this.#newID = newID;
    this.#now = now;
  }

  // ---- what this user does ----

  /** say creates a message, perhaps with stored files. It is pending until acked. */
  say(content, files = []) {
    const ids = files.length > 0 ? { file_ids: files.map((file) => file.id) } : {};
    return this.#issue({ type: 'user_message', content, ...ids }, files);
  }

  /** give creates a message that is only a file; type is file_upload or voice_message. */
  give(file, type = 'file_upload') {
    return this.#issue({ type, file_id: file.id }, [file]);
  }

  selectModel(modelID) {
    return this.#issue({ type: 'model_select', model_id: modelID });
  }

  askForHelp(content) {
    return this.#issue({ type: 'help_request', content });
  }

  #issue(body, files = []) {
    const frame = { ...body, id: this.#newID(), session_id: this.id };
    const item = {
      kind: MESSAGES.has(frame.type) ? 'message' : 'note', type: frame.type, key: `m:${frame.id}`, id: frame.id,
      sender: 'user', content: frame.content ?? '', files, transcript: '', modelID: frame.model_id, mine: true, seq: 0, order: ++this.#order,
      timestamp: new Date(this.#now()).toISOString(), state: 'pending', error: null, tries: 0, notBefore: 0, sentAt: 0, frame, rev: 1,
    };
    this.#pending.set(frame.id, item);
    this.#own.set(frame.id, item);
    return item;
  }

  /** due returns the frames to send now: not sent on this socket yet, or without an ack for `patience` ms. */
  due(patience) {
    const now = this.#now();
    return [...this.#pending.values()].filter((item) => item.state === 'pending' && item.notBefore <= now
      && (!item.sentAt || now - item.sentAt > patience));
  }

  markSent(item) {
    item.sentAt = this.#now();
  }

  /** tryAgain sends a refused message again with the same id, so that it takes effect only once even if it had arrived. */
  tryAgain(id) {
    const item = this.#pending.get(id);
    if (item) this.#touch(item, { state: 'pending', error: null, tries: 0, notBefore: 0, sentAt: 0 });
  }

  /** discard removes a message that the server refused, and returns its text. */
  discard(id) {
    const item = this.#pending.get(id);
    this.#pending.delete(id);
    this.#own.delete(id);
    return item?.content ?? '';
  }

  // ---- what the connection does ----

  /** interrupted handles the loss of the socket. Messages without an ack are repeated with their ids on the next one. */
  interrupted() {
    this.synced = false;
    this.#asking = false;
    for (const item of this.#pending.values()) item.sentAt = 0;
    for (const answer of this.#answers.values()) if (!answer.done) answer.cut = true;
  }

  /** asksResume records that a resume from `lastSeq` was sent, possibly in the URL of a new socket. */
  asksResume() {
    this.#asking = true;
    this.#askedAt = this.#now();
  }

  /** stuck reports that this session should be attached by now, or that its resume was not answered. */
  stuck(patience) {
    if (this.unavailable) return false;
    return this.#asking ? this.#now() - this.#askedAt > patience : !this.synced && this.#now() - this.#askedAt > patience;
  }

  /**
   * receive applies one frame. Returns what it led to:
   *   changed · resume: a seq to resume from, when something is missing · history: true when REST has to fill in
   *   notes: [{kind: 'continued' | 'restarted', …}] · finished: an answer that ended just now, live
   */
  receive(frame) {
    const out = { changed: true, resume: null, history: false, notes: [], finished: null };
    switch (frame.type) {
      case 'ack': this.#ack(frame, out); break;
      case 'loading': this.#answer(frame.id, frame.metadata?.reply_to); break;
      case 'resumed': this.#resumed(frame, out); break;
      case 'error': this.#failed(frame, out); break;
      case 'ai_response':
        if (flag(frame, 'streaming') && !flag(frame, 'done')) this.#piece(frame, out);
        else if (this.#inOrder(frame, out)) this.#final(frame, out);
        break;
      default:
        if (!this.#durable(frame)) out.changed = false;
        else if (this.#inOrder(frame, out)) this.#event(frame);
    }
    return out;
  }

  /** fill applies a page of history from REST: events in any order, each once. */
  fill(messages, truncated) {
    for (const m of messages) {
      const frame = { ...m, model_id: m.model_id };
      if (m.type === 'ai_response') {
        frame.metadata = { streaming: 'false', done: 'true', finish: FINISH_OF_STATUS[m.status] ?? 'stop', ...m.metadata };
        this.#final(frame, { notes: [] });
      } else this.#event(frame);
    }
    const smallest = Math.min(...messages.map((m) => m.seq));
    this.oldest = truncated && messages.length > 0 && smallest > 1 ? smallest : 0;
    this.#replayState();
  }

  // ---- what there is to show ----

  /** items returns the items in reading order: each answer after its question, pending messages last. */
  items() {
    const durable = [...this.#bySeq.values()].filter((item) => item.kind !== 'answer').sort((a, b) => a.seq - b.seq);
    const under = new Map();
    const loose = [];
    const walls = durable.filter((item) => item.type === 'admin_join' || item.type === 'admin_leave');
    const answers = [...this.#answers.values()].sort((a, b) => (a.seq || Infinity) - (b.seq || Infinity) || a.order - b.order);
    for (const answer of answers) {
      const question = this.#own.get(answer.replyTo);
      if (!question?.seq) {
        loose.push(answer);
        continue;
      }
      // An answer given after a person came or left is shown after that event,
      // even if its question is older.
      let anchor = question;
      for (const wall of walls) if (wall.seq > question.seq && wall.seq < (answer.seq || Infinity)) anchor = wall;
      if (!under.has(anchor.key)) under.set(anchor.key, []);
      under.get(anchor.key).push(answer);
    }
    const list = durable.flatMap((item) => [item, ...(under.get(item.key) ?? [])]);
    for (const answer of loose) {
      const at = answer.seq ? list.findIndex((item) => (item.seq || 0) > answer.seq) : -1;
      list.splice(at < 0 ? list.length : at, 0, answer);
    }
    return [...list, ...this.#pending.values()];
  }

  get running() {
    return [...this.#answers.values()].find((answer) => !answer.done) ?? null;
  }

  /** newest returns the greatest seq shown. */
  get newest() {
    return Math.max(0, ...this.#bySeq.keys());
  }

  get isEmpty() {
    return this.#bySeq.size === 0 && this.#pending.size === 0;
  }

  /** chosenModel returns the model that answers next: the requested one, which the server has yet to confirm, else the current one. */
  get chosenModel() {
    const asked = [...this.#pending.values()].filter((item) => item.type === 'model_select' && item.state === 'pending').at(-1);
    return asked?.modelID ?? this.modelID;
  }

  /** asking reports whether a person was requested and the server has not confirmed it. */
  get asksForPerson() {
    return [...this.#pending.values()].some((item) => item.type === 'help_request' && item.state === 'pending');
  }

  get hasPending() {
    return this.#pending.size > 0;
  }

  /** retryable returns the id of the message whose answer can be requested again, or ''. */
  get retryable() {
    if (this.ended || this.running) return '';
    const question = this.#newestQuestion();
    if (!question) return '';
    if (this.holder) return this.#transcriptFailed(question) ? question.id : '';
    const answers = [...this.#answers.values()].filter((answer) => answer.replyTo === question.id);
    if (answers.length === 0) return question.seq >= answerableFrom(this.#bySeq.values(), (id) => this.#own.get(id)) ? question.id : '';
    return UNFINISHED.has(answers.sort((a, b) => a.order - b.order).at(-1).finish) ? question.id : '';
  }

  /** unanswered reports whether the newest message was acked and has no sign of an answer. */
  get unanswered() {
    const question = this.#newestQuestion();
    return Boolean(question) && this.retryable === question.id
      && ![...this.#answers.values()].some((answer) => answer.replyTo === question.id);
  }

  /** silentFor returns how long, in ms by this tab's clock, a due answer has been silent; 0 if no answer is due. */
  get silentFor() {
    if (!this.synced || !this.unanswered) return 0;
    return this.#now() - Math.max(this.#heardAt, this.#newestQuestion().heardAt);
  }

  // While a person answers, a retry has the transcript of a recording made again.
  #transcriptFailed(question) {
    return question.type === 'voice_message' && !question.transcriptSeq
      && [...this.#answers.values()].some((answer) => answer.replyTo === question.id && answer.finish === 'error');
  }

  #newestQuestion() {
    let newest = null;
    for (const item of this.#bySeq.values()) {
      if (ASKS.has(item.type) && item.sender === 'user' && item.seq > (newest?.seq ?? 0)) newest = item;
    }
    return newest;
  }

  // ---- durable events ----

  // inOrder decides whether an event is the next one, a repeat, or behind a hole.
  #inOrder(frame, out) {
    const { seq } = frame;
    if (!Number.isInteger(seq) || seq < 1) {
      out.changed = false;
      return false;
    }
    if (seq <= this.lastSeq) return true; // an explicit resume repeats events; applying one twice changes nothing
    if (seq === this.lastSeq + 1) {
      this.lastSeq = seq;
      return true;
    }
    this.#ask(out, this.lastSeq);
    return false;
  }

  // durable events that this page does not know have a place in the order, too.
  #durable(frame) {
    return MESSAGES.has(frame.type) || CONTROL.has(frame.type) || (!TRANSIENT.has(frame.type) && frame.seq > 0);
  }

  #ask(out, from) {
    if (this.#asking) return;
    this.asksResume();
    out.resume = from;
  }

  #ack(frame, out) {
    const item = this.#pending.get(frame.id);
    if (item) {
      this.#pending.delete(frame.id);
      this.#touch(item, { seq: frame.seq, timestamp: frame.timestamp ?? item.timestamp, state: 'sent', error: null, heardAt: this.#now() });
      this.#bySeq.set(frame.seq, item);
      if (CONTROL.has(item.type)) this.#state(item);
    }
    this.#inOrder(frame, out);
  }

  #event(frame) {
    const mine = frame.sender === 'user' ? this.#pending.get(frame.id) : undefined;
    if (mine) {
      this.#ack(frame, { resume: null });
      return;
    }
    if (frame.type === 'transcript') this.#transcribed(frame);
    if (this.#bySeq.has(frame.seq) || !(MESSAGES.has(frame.type) || CONTROL.has(frame.type))) return;
    const meta = frame.metadata ?? {};
    const item = {
      kind: CONTROL.has(frame.type) ? 'note' : 'message', type: frame.type, key: frame.id ? `m:${frame.id}` : `s:${frame.seq}`, id: frame.id,
      seq: frame.seq, sender: frame.sender ?? 'system', content: frame.content ?? '', timestamp: frame.timestamp, modelID: frame.model_id,
      adminID: meta.admin_id ?? '', adminName: meta.admin_name ?? '', automatic: meta.automatic === 'true', reason: meta.reason ?? '', heardAt: this.#now(),
      files: filesOf(frame), transcript: '', ...this.#transcripts.get(frame.seq), unreadable: unreadable(frame), state: 'sent', error: null, order: ++this.#order, rev: 1,
    };
    // Ids are unique per sender: a person who helps may use an id that this user
    // has used too.
    if (item.sender === 'user' && item.kind === 'message' && item.id) this.#own.set(item.id, item);
    else if (item.sender !== 'user') item.key = `s:${item.seq}`;
    this.#bySeq.set(item.seq, item);
    this.#state(item);
  }

  #transcribed(frame) {
    const { of, of_seq: ofSeq } = frame.metadata ?? {};
    const heard = { transcript: frame.content ?? '', transcriptSeq: frame.seq };
    this.#transcripts.set(Number(ofSeq), heard);
    const recording = this.#bySeq.get(Number(ofSeq));
    if (recording && recording.transcriptSeq !== frame.seq) this.#touch(recording, heard);
    for (const answer of this.#answers.values()) {
      if (answer.replyTo === of && answer.finish === 'error' && !answer.seq && !answer.text) this.#answers.delete(answer.id); // its error is mended
    }
  }

  #state(item) {
    if (item.type === 'model_select') this.modelID = item.modelID ?? this.modelID;
    if (item.type === 'admin_leave') this.#heardAt = this.#now();
    if (item.type === 'admin_join') this.holder = { id: item.adminID, name: item.adminName };
    if (item.type === 'admin_leave') this.holder = null;
    if (item.type === 'session_ended') {
      this.ended = true;
      this.erased ||= item.reason === 'erased';
    }
  }

  #replayState() {
    this.holder = null;
    for (const item of [...this.#bySeq.values()].sort((a, b) => a.seq - b.seq)) this.#state(item);
  }

  #resumed(frame, out) {
    this.#asking = false;
    this.synced = true;
    this.#heardAt = this.#now();
    const seq = frame.seq ?? 0;
    if (frame.metadata?.recovered === 'false') {
      if (seq < this.lastSeq) this.#forget(); // the server has fewer events than this tab: it is another history
      this.lastSeq = seq;
      out.history = seq > 0;
    } else this.lastSeq = Math.max(this.lastSeq, seq);
    if (this.#repair !== null) {
      const from = this.#repair;
      this.#repair = null;
      if ([...this.#answers.values()].some((answer) => answer.short)) this.#ask(out, from);
    }
  }

  #forget() {
    this.#bySeq.clear();
    this.#answers.clear();
    for (const id of [...this.#own.keys()]) if (!this.#pending.has(id)) this.#own.delete(id);
    this.holder = null;
    this.ended = false;
    this.oldest = 0;
  }

  // ---- answers ----

  #answer(id, replyTo) {
    let answer = this.#answers.get(id);
    if (!answer) {
      answer = {
        kind: 'answer', key: `a:${id}`, id, replyTo: replyTo ?? '', seq: 0, text: '', attempt: null, index: -1, done: false, finish: '',
        error: null, modelID: '', timestamp: new Date(this.#now()).toISOString(), short: false, pieceAt: this.#now(), liveAt: this.#now(),
        cut: false, restarted: false,
        order: ++this.#order, rev: 1,
      };
      this.#answers.set(id, answer);
    } else if (replyTo && !answer.replyTo) answer.replyTo = replyTo;
    return answer;
  }

  #piece(frame, out) {
    const answer = this.#answer(frame.id, frame.metadata.reply_to);
    if (answer.done) {
      out.changed = false;
      return;
    }
    const attempt = Number(frame.metadata.attempt ?? 0);
    const index = Number(frame.metadata.index ?? -1);
    const snapshot = flag(frame, 'snapshot');
    const fresh = answer.attempt === null;
    const newer = fresh || attempt > answer.attempt || (attempt === answer.attempt && index > answer.index);
    if (!newer) {
      out.changed = false;
      return;
    }
    if (!snapshot && (index !== (fresh ? 0 : answer.index + 1) || (!fresh && attempt !== answer.attempt))) {
      this.#ask(out, this.lastSeq);
      return;
    }
    if (!fresh && attempt > answer.attempt) answer.restarted = true;
    if (!snapshot) this.#live(answer, attempt, out);
    this.#heardAt = this.#now();
    this.#touch(answer, {
      text: snapshot ? frame.content ?? '' : answer.text + (frame.content ?? ''),
      attempt, index, modelID: frame.model_id ?? answer.modelID, pieceAt: this.#now(), liveAt: snapshot && !fresh ? answer.liveAt : this.#now(),
    });
  }

  // live records that an answer continues after a cut or a restart. Only a new
  // piece proves it: a snapshot repeats earlier text, possibly of a dead pod.
  #live(answer, attempt, out) {
    const pause = this.#now() - answer.liveAt;
    if (answer.restarted) out.notes.push({ kind: 'restarted', attempt, pause });
    else if (answer.attempt !== null && (answer.cut || pause > PAUSE)) out.notes.push({ kind: 'continued', attempt, pause });
    answer.cut = false;
    answer.restarted = false;
  }

  #final(frame, out) {
    const meta = frame.metadata ?? {};
    const answer = this.#answer(frame.id, meta.reply_to);
    const whole = !flag(frame, 'streaming');
    const shortBefore = answer.short;
    const text = whole ? frame.content ?? '' : answer.text;
    if (!whole && meta.length !== undefined && [...text].length !== Number(meta.length)) {
      // Text is missing. An explicit resume from just before the answer brings
      // all of it.
      answer.short = true;
      if (this.#asking) this.#repair = Math.min(this.#repair ?? Infinity, frame.seq - 1);
      else this.#ask(out, frame.seq - 1);
    } else if (whole) answer.short = false;
    this.#heardAt = this.#now();
    const ends = (!answer.done && answer.attempt !== null) || shortBefore;
    if (answer.done && answer.text === text && answer.seq === frame.seq) return;
    this.#touch(answer, {
      text, unreadable: unreadable(frame), seq: frame.seq, done: true, finish: meta.finish ?? 'stop', timestamp: frame.timestamp ?? answer.timestamp,
      modelID: frame.model_id ?? answer.modelID, attempt: Number(meta.attempt ?? answer.attempt ?? 0), index: Number(meta.index ?? answer.index),
      tokens: meta.tokens_completion ?? '',
    });
    this.#bySeq.set(frame.seq, answer);
    if (ends && !answer.short) out.finished = answer;
  }

  // ---- refusals ----

  #failed(frame, out) {
    const error = frame.error ?? { code: 'SERVICE_ERROR', message: 'Something went wrong.', recoverable: false };
    if (frame.id?.startsWith('ans_')) {
      this.#heardAt = this.#now();
      const answer = this.#answer(frame.id, frame.metadata?.reply_to ?? this.#newestQuestion()?.id);
      this.#touch(answer, { done: true, finish: 'error', error });
      return;
    }
    const item = this.#pending.get(frame.id);
    if (!item) {
      if (['UNAUTHORIZED', 'NOT_FOUND'].includes(error.code) && !frame.id) this.unavailable = error;
      else out.changed = false;
      this.#asking = false;
      return;
    }
    item.tries += 1;
    if (error.recoverable && item.tries < MOST_TRIES) {
      const wait = Math.max(error.retry_after ?? 0, 500 * 2 ** item.tries);
      this.#touch(item, { error, notBefore: this.#now() + wait, sentAt: 0 });
    } else this.#touch(item, { state: 'failed', error });
    if (error.code === 'SESSION_ENDED') this.ended = true;
  }

  #touch(item, change) {
    Object.assign(item, change);
    item.rev += 1;
  }
}

const flag = (frame, name) => frame.metadata?.[name] === 'true';

// Unreadable content is marked: in a frame's metadata, or beside the content of a
// history entry.
const unreadable = (frame) => flag(frame, 'unreadable') || frame.unreadable === true;

/** spoken returns the text that an item shows. */
export const spoken = (item) => (item.unreadable ? 'This message cannot be read any more.' : item.kind === 'answer' ? item.text : item.content);
