import test from 'node:test';
import assert from 'node:assert/strict';
import { SessionStore, spoken } from '../page/js/session-store.js';

function make() {
  let n = 0;
  const clock = { now: 1000 };
  const store = new SessionStore('s', { newID: () => `m${++n}`, now: () => clock.now });
  return { store, clock };
}
const resumed = (seq, recovered = 'true') => ({ type: 'resumed', session_id: 's', seq, metadata: { recovered } });
const user = (seq, id = `u${seq}`, content = id) => ({ type: 'user_message', id, seq, content, sender: 'user', session_id: 's' });
const piece = (attempt, index, content, more = {}) => ({ type: 'ai_response', id: 'ans_1', content, metadata: { streaming: 'true', done: 'false', attempt: `${attempt}`, index: `${index}`, reply_to: 'u1', ...more } });
const snapshot = (attempt, index, content) => piece(attempt, index, content, { snapshot: 'true' });
const final = (seq, length, more = {}) => ({ type: 'ai_response', id: 'ans_1', seq, metadata: { streaming: 'true', done: 'true', attempt: '1', index: '9', reply_to: 'u1', finish: 'stop', length: `${length}`, ...more } });
const whole = (seq, content, more = {}) => ({ type: 'ai_response', id: 'ans_1', seq, content, metadata: { streaming: 'false', done: 'true', reply_to: 'u1', finish: 'stop', ...more } });
const texts = (store) => store.items().map((item) => item.text ?? item.content);

test('a message is pending until acked, then has its place', () => {
  const { store } = make();
  store.receive(resumed(0));
  const item = store.say('hello');
  assert.deepEqual([item.state, store.due(100).length], ['pending', 1]);
  store.markSent(item);
  assert.equal(store.due(100).length, 0);
  store.receive({ type: 'ack', id: item.id, seq: 1, timestamp: 't' });
  assert.deepEqual([item.state, item.seq, store.lastSeq, store.hasPending], ['sent', 1, 1, false]);
});

test('what was not acked is repeated by the same id after a reconnect, and an event in its place counts as the ack', () => {
  const { store } = make();
  store.receive(resumed(0));
  const one = store.say('one');
  const two = store.say('two');
  store.markSent(one);
  store.markSent(two);
  store.interrupted();
  store.receive(user(1, one.id, 'one'));
  store.receive(resumed(1));
  assert.deepEqual(store.due(1e9).map((item) => item.frame.id), [two.id]);
  store.receive({ type: 'ack', id: two.id, seq: 2 });
  store.receive({ type: 'ack', id: two.id, seq: 2, metadata: { duplicate: 'true' } });
  assert.deepEqual(texts(store), ['one', 'two']);
});

test('no ack for long: the frame is due again', () => {
  const { store, clock } = make();
  const item = store.say('x');
  store.markSent(item);
  clock.now += 5001;
  assert.deepEqual(store.due(5000), [item]);
});

test('a hole is asked for once, and not papered over', () => {
  const { store } = make();
  store.receive(user(1));
  assert.equal(store.receive(user(3)).resume, 1);
  assert.equal(store.receive(user(4)).resume, null);
  assert.equal(store.lastSeq, 1);
  for (const seq of [2, 3, 4]) store.receive(user(seq));
  store.receive(resumed(4));
  assert.deepEqual([store.lastSeq, texts(store)], [4, ['u1', 'u2', 'u3', 'u4']]);
  assert.equal(store.receive(user(6)).resume, 4);
});

test('events repeated change nothing', () => {
  const { store } = make();
  for (const seq of [1, 2, 1, 2]) store.receive(user(seq));
  assert.deepEqual([store.lastSeq, texts(store)], [2, ['u1', 'u2']]);
});

test('pieces take effect once, in order; a missing one is asked for', () => {
  const { store } = make();
  store.receive(user(1));
  store.receive({ type: 'loading', id: 'ans_1', metadata: { reply_to: 'u1' } });
  for (const [index, text] of [[0, 'a'], [0, 'a'], [1, 'b']]) store.receive(piece(1, index, text));
  assert.equal(store.running.text, 'ab');
  assert.equal(store.receive(piece(1, 3, 'd')).resume, 1);
  store.receive(snapshot(1, 3, 'abcd'));
  store.receive(resumed(1));
  store.receive(piece(1, 3, 'd'));
  store.receive(piece(1, 4, 'e'));
  assert.equal(store.running.text, 'abcde');
  assert.equal(store.receive(final(2, 5)).finished.text, 'abcde');
  assert.equal(store.running, null);
});

test('a restarted answer replaces the text, and says so with its first new piece', () => {
  const { store, clock } = make();
  store.receive(user(1));
  store.receive(piece(1, 0, 'old '));
  clock.now += 900;
  assert.deepEqual(store.receive(snapshot(2, -1, '')).notes, [], 'a blank page is no progress');
  store.receive(piece(1, 1, 'late piece of the first'));
  clock.now += 4200;
  assert.deepEqual(store.receive(piece(2, 0, 'new')).notes, [{ kind: 'restarted', attempt: 2, pause: 5100 }]);
  assert.deepEqual(store.receive(piece(2, 1, 'er')).notes, []);
  assert.equal(store.running.text, 'newer');
});

test('an answer goes on with its next piece, not with the snapshot of a resume', () => {
  const { store, clock } = make();
  store.receive(user(1));
  store.receive(piece(1, 0, 'a'));
  store.interrupted();
  clock.now += 300;
  assert.deepEqual(store.receive(snapshot(1, 0, 'a')).notes, [], 'a repeat');
  assert.deepEqual(store.receive(snapshot(1, 1, 'ab')).notes, [], 'written before the pod died');
  clock.now += 4800;
  assert.deepEqual(store.receive(piece(1, 2, 'c')).notes, [{ kind: 'continued', attempt: 1, pause: 5100 }]);
  assert.deepEqual(store.receive(piece(1, 3, 'd')).notes, []);
  clock.now += 6000;
  assert.deepEqual(store.receive(piece(1, 4, 'e')).notes.map((note) => [note.kind, note.pause]), [['continued', 6000]]);
});

test('an answer that is cut again and again, or stops for good, is never said to have gone on', () => {
  const { store, clock } = make();
  store.receive(user(1));
  store.receive(piece(1, 0, 'a'));
  const notes = [];
  for (let cut = 0; cut < 3; cut += 1) {
    store.interrupted();
    clock.now += 1000;
    notes.push(...store.receive(snapshot(1, cut, 'a')).notes, ...store.receive(resumed(1)).notes);
  }
  notes.push(...store.receive({ type: 'error', id: 'ans_1', error: { code: 'LLM_UNAVAILABLE', message: 'm' } }).notes);
  assert.deepEqual(notes, []);
});

test('a page that is loaded in mid-answer does not know of a pause before', () => {
  const { store, clock } = make();
  store.receive(user(1));
  store.receive(snapshot(3, 7, 'abcdefgh'));
  clock.now += 100;
  assert.deepEqual(store.receive(piece(3, 8, 'i')).notes, []);
});

test('a final that does not fit the text shown fetches the whole answer', () => {
  const { store } = make();
  store.receive(user(1));
  store.receive(piece(1, 0, 'ab'));
  const out = store.receive(final(2, 7));
  assert.deepEqual([out.resume, out.finished], [1, null]);
  assert.equal(store.receive(whole(2, 'abcdefg')).finished.text, 'abcdefg');
  store.receive(resumed(2));
  assert.deepEqual(texts(store), ['u1', 'abcdefg']);
});

test('length counts code points', () => {
  const { store } = make();
  store.receive(user(1));
  store.receive(piece(1, 0, 'a😀é'));
  assert.equal(store.receive(final(2, 3)).resume, null);
});

test('answers stand under their questions', () => {
  const { store } = make();
  store.receive(user(1));
  store.receive(user(2));
  store.receive(piece(1, 0, 'a1'));
  assert.deepEqual(texts(store), ['u1', 'a1', 'u2']);
  store.receive(final(3, 2));
  store.receive({ ...whole(4, 'a2', { reply_to: 'u2' }), id: 'ans_2' });
  assert.deepEqual(texts(store), ['u1', 'a1', 'u2', 'a2']);
});

test('an answer after a person has left stands after that', () => {
  const { store } = make();
  store.receive(user(1));
  store.receive({ type: 'admin_join', seq: 2, sender: 'admin', metadata: { admin_id: 'p', admin_name: 'Pat' } });
  assert.equal(store.holder.id, 'p');
  store.receive({ type: 'admin_leave', seq: 3, sender: 'admin', metadata: { admin_id: 'p' } });
  store.receive(whole(4, 'answer'));
  assert.deepEqual(store.items().map((item) => item.type ?? item.kind), ['user_message', 'admin_join', 'admin_leave', 'answer']);
  assert.equal(store.holder, null);
});

const join = (seq) => ({ type: 'admin_join', id: `j${seq}`, seq, sender: 'admin', metadata: { admin_id: 'p', admin_name: 'Pat' } });
const leave = (seq, more = {}) => ({ type: 'admin_leave', id: `l${seq}`, seq, sender: 'admin', metadata: { admin_id: 'p', ...more } });
const person = (seq) => ({ type: 'user_message', id: `p${seq}`, seq, content: 'hello', sender: 'admin', metadata: { admin_id: 'p' } });

test('what was said to a person needs no answer of the model, also after the hand-back', () => {
  const due = (...events) => {
    const { store, clock } = make();
    store.receive(resumed(0));
    for (const event of events) store.receive(event);
    clock.now += 20_000;
    return [store.unanswered, store.retryable, store.silentFor];
  };
  const not = [false, '', 0];
  assert.deepEqual(due(user(1), join(2), person(3), user(4), leave(5)), not, 'thank you');
  assert.deepEqual(due(user(1), join(2), user(3), leave(4)), not, 'the person has chosen not to reply');
  assert.deepEqual(due(user(1), join(2), leave(3)), not, 'said before a person came, and the person left');
  assert.deepEqual(due(user(1), join(2), user(3)), not, 'a person holds the session');
  assert.deepEqual(due(user(1), join(2), user(3), leave(4), user(5)), [true, 'u5', 20_000], 'a new question');
  assert.deepEqual(due(user(1), join(2), person(3), user(4), leave(5, { automatic: 'true' })), [true, 'u4', 20_000], 'the person vanished: the model answers');
  assert.deepEqual(due(user(1), join(2), user(3), person(4), leave(5, { automatic: 'true' })), not, 'vanished after the last word');
  assert.deepEqual(due(user(1), join(2), leave(3), join(4), user(5), leave(6)), not, 'a second talk');
  assert.deepEqual(due({ ...user(1), type: 'file_upload', file_id: 'f' }), not, 'a file is not answered by itself');
});

test('a history that begins in the middle of a talk knows what was said to a person', () => {
  const { store } = make();
  store.receive(resumed(3000, 'false'));
  store.fill([user(2998), leave(2999), { ...user(3000), type: 'help_request' }], true);
  assert.deepEqual([store.unanswered, store.retryable], [false, '']);
});

test('silence is counted by this tab, since the last sign of an answer', () => {
  const { store, clock } = make();
  store.receive(resumed(0));
  store.receive({ ...user(1), timestamp: '1970-01-01T00:00:00Z' }); // a server whose clock is behind
  store.receive({ ...user(2), timestamp: '2970-01-01T00:00:00Z' });
  clock.now += 30_000;
  assert.equal(store.silentFor, 30_000);
  store.receive(piece(1, 0, 'a'));
  assert.equal(store.silentFor, 0, 'an answer runs');
  clock.now += 60_000;
  store.receive(final(3, 1));
  assert.equal(store.silentFor, 0, 'the answer before has just ended');
  clock.now += 5000;
  assert.equal(store.silentFor, 5000);
  store.interrupted();
  assert.equal(store.silentFor, 0, 'not attached: nothing can come');
  clock.now += 60_000;
  store.receive(resumed(3));
  assert.equal(store.silentFor, 0);
});

test('a model that was refused is not the one that answers', () => {
  const { store } = make();
  store.receive({ type: 'model_select', id: 'x', seq: 1, sender: 'user', model_id: 'good' });
  const item = store.selectModel('bad');
  assert.deepEqual([store.chosenModel, store.modelID], ['bad', 'good']);
  store.receive({ type: 'error', id: item.id, error: { code: 'INVALID_FORMAT', message: 'model_id', recoverable: false } });
  assert.deepEqual([store.chosenModel, item.state], ['good', 'failed']);
  const next = store.selectModel('better');
  store.receive({ type: 'ack', id: next.id, seq: 2 });
  assert.deepEqual([store.chosenModel, store.modelID], ['better', 'better']);
});

test('asking for a person lasts until the server has confirmed or refused it', () => {
  const { store } = make();
  const item = store.askForHelp('x');
  assert.equal(store.asksForPerson, true);
  store.receive({ type: 'ack', id: item.id, seq: 1 });
  assert.equal(store.asksForPerson, false);
  const again = store.askForHelp('x');
  store.receive({ type: 'error', id: again.id, error: { code: 'SERVICE_ERROR', message: 'm', recoverable: false } });
  assert.deepEqual([store.asksForPerson, again.state], [false, 'failed']);
});

test('retry is offered for the newest message alone, when its answer failed, was stopped or taken over', () => {
  const { store } = make();
  store.receive(user(1));
  assert.deepEqual([store.retryable, store.unanswered], ['u1', true]);
  store.receive(piece(1, 0, 'x'));
  assert.equal(store.retryable, '');
  store.receive(final(2, 1, { finish: 'cancelled' }));
  assert.deepEqual([store.retryable, store.unanswered], ['u1', false]);
  store.receive(user(3));
  assert.equal(store.retryable, 'u3');
  store.receive({ type: 'error', id: 'ans_2', error: { code: 'LLM_TIMEOUT', message: 'm', recoverable: true }, metadata: { reply_to: 'u3' } });
  assert.equal(store.retryable, 'u3');
  store.receive({ ...whole(4, 'ok', { reply_to: 'u3' }), id: 'ans_3' });
  assert.equal(store.retryable, '');
});

test('refusals: recoverable ones wait and go again by id, others are shown', () => {
  const { store, clock } = make();
  const item = store.say('x');
  store.markSent(item);
  store.receive({ type: 'error', id: item.id, error: { code: 'TOO_MANY_REQUESTS', message: 'm', recoverable: true, retry_after: 3000 } });
  assert.deepEqual([item.state, store.due(1e9).length], ['pending', 0]);
  clock.now += 3001;
  assert.deepEqual(store.due(1e9), [item]);
  store.receive({ type: 'error', id: item.id, error: { code: 'INVALID_FORMAT', message: 'content', recoverable: false } });
  assert.deepEqual([item.state, store.due(1e9).length], ['failed', 0]);
  assert.equal(store.discard(item.id), 'x');
  assert.equal(store.isEmpty, true);
});

test('too far behind: the head is taken and REST fills the history', () => {
  const { store } = make();
  store.receive(user(1));
  assert.equal(store.receive(resumed(3000, 'false')).history, true);
  assert.equal(store.lastSeq, 3000);
  store.fill([user(2999), { ...whole(3000, 'answer', { reply_to: 'u2999' }), status: 'complete' }], true);
  assert.deepEqual([texts(store), store.oldest], [['u1', 'u2999', 'answer'], 2999]);
  assert.equal(store.receive(user(3001)).resume, null);
});

test('a server that knows less than this tab has another history', () => {
  const { store } = make();
  for (const seq of [1, 2, 3]) store.receive(user(seq));
  store.receive(resumed(1, 'false'));
  assert.deepEqual([store.lastSeq, store.isEmpty], [1, true]);
});

test('the end of a session', () => {
  const { store } = make();
  store.receive(user(1));
  store.receive({ type: 'session_ended', seq: 2, sender: 'system', metadata: { reason: 'erased' } });
  assert.deepEqual([store.ended, store.erased, store.retryable], [true, true, '']);
});

test('random schedules of cuts, repeats and losses end in the same text', () => {
  let seed = 7;
  const random = () => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed / 2147483648; };
  for (let run = 0; run < 300; run += 1) {
    const { store } = make();
    // The server's truth: a log, an open answer, and a socket that may lose its tail at any time.
    const log = [user(1)];
    let open = { attempt: 1, index: -1, text: '' };
    let queue = [...log];
    const resume = (from) => {
      queue = log.slice(from).map((event) => ({ ...event }));
      if (open) queue.push(snapshot(open.attempt, open.index, open.text));
      queue.push(resumed(log.length));
    };
    const drain = (losing) => {
      while (queue.length > 0) {
        const frame = queue.shift();
        if (losing && random() < 0.05) {
          queue = [];
          store.interrupted();
          store.asksResume();
          resume(store.lastSeq);
          return;
        }
        const out = store.receive(frame);
        if (random() < 0.1) store.receive({ ...frame });
        if (out.resume !== null) resume(out.resume);
      }
    };
    for (let step = 0; step < 40; step += 1) {
      if (random() < 0.05) {
        open = { attempt: open.attempt + 1, index: -1, text: '' };
        queue.push(snapshot(open.attempt, -1, ''));
      } else {
        open.index += 1;
        const text = String.fromCharCode(97 + (step % 26));
        open.text += text;
        queue.push(piece(open.attempt, open.index, text));
      }
      if (random() < 0.3) drain(true);
    }
    const { text } = open;
    log.push(whole(2, text));
    open = null;
    queue.push(final(2, text.length));
    drain(true);
    drain(false);
    assert.deepEqual(texts(store), ['u1', text], `run ${run}`);
    assert.equal(store.lastSeq, 2);
  }
});

test('what nobody can read any more says so, from the socket and from a history, and stands for no text', () => {
  const lost = 'This message cannot be read any more.';
  const live = make().store;
  live.receive({ ...user(1, 'u1', ''), metadata: { unreadable: 'true' } });
  live.receive({ ...whole(2, ''), metadata: { ...whole(2, '').metadata, unreadable: 'true', length: '0' } });
  const read = make().store;
  read.fill([
    { id: 'u1', seq: 1, type: 'user_message', sender: 'user', content: '', status: 'complete', unreadable: true },
    { id: 'ans_1', seq: 2, type: 'ai_response', sender: 'ai', content: '', status: 'complete', unreadable: true, metadata: { reply_to: 'u1', unreadable: 'true', length: '0' } },
    user(3, 'u3', 'here'),
  ], false);
  assert.deepEqual(live.items().map(spoken), [lost, lost]);
  assert.deepEqual(read.items().map(spoken), [lost, lost, 'here']);
  assert.deepEqual(texts(read), ['', '', 'here'], 'nothing of it is copied or sent again');
});
