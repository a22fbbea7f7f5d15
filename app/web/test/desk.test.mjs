import test from 'node:test';
import assert from 'node:assert/strict';
import { Desk } from '../page/js/staff/desk.js';

// The socket of a member of staff, as a list of what was sent, and what the test lets come.
class FakeWebSocket extends EventTarget {
  static OPEN = 1;
  static newest = null;
  readyState = 1;
  sent = [];

  constructor() {
    super();
    FakeWebSocket.newest = this;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }
}

function make(t) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1e12 });
  globalThis.WebSocket = FakeWebSocket;
  globalThis.document = { documentElement: { dataset: {} } };
  const queue = Object.assign(new EventTarget(), { sessions: [], look() {}, changed() {} });
  const desk = new Desk({ api: { call: async () => ({}) }, base: new URL('http://x/chatbox/'), token: 't', me: 'sam', queue });
  const heard = [];
  for (const name of ['taken', 'words', 'notice']) desk.addEventListener(name, ({ detail }) => heard.push([name, detail.session ?? detail]));
  desk.start();
  const hear = (frame) => FakeWebSocket.newest.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(frame) }));
  const greet = () => hear({ type: 'connection_status', user_id: 'sam', metadata: { connection_id: 'c', pod: 'p' } });
  greet();
  const join = (seq, session = 's1', who = 'sam') => hear({ type: 'admin_join', id: `j${seq}`, seq, session_id: session, sender: 'admin', metadata: { admin_id: who } });
  const resumed = (seq, session = 's1') => hear({ type: 'resumed', session_id: session, seq, metadata: { recovered: 'true' } });
  const said = () => FakeWebSocket.newest.sent.filter((frame) => frame.type === 'user_message');
  return { desk, heard, hear, greet, join, resumed, said, tick: (ms) => t.mock.timers.tick(ms) };
}

test('a talk is taken when the join is heard, not when it is replayed or another person’s', (t) => {
  const { desk, heard, join, resumed } = make(t);
  desk.open('s1', { id: 's1', user_id: 'ada' });
  join(1);
  resumed(1);
  assert.deepEqual(heard, [], 'what was there before');
  join(2, 's1', 'kim');
  assert.deepEqual(heard, []);
  join(3);
  assert.deepEqual(heard, [['taken', 's1']]);
});

test('the user’s typing is told, ends by itself, by their word and by a lost connection', (t) => {
  const { desk, hear, resumed, tick } = make(t);
  const types = (state, more = {}) => hear({ type: 'typing_indicator', session_id: 's1', sender: 'user', metadata: { state }, ...more });
  desk.open('s1', { id: 's1', user_id: 'ada' });
  resumed(0);
  types('start', { session_id: 'other' });
  assert.equal(desk.typist, null);
  types('start');
  assert.equal(desk.typist, '');
  tick(5001);
  assert.equal(desk.typist, null);
  types('start');
  types('stop');
  assert.equal(desk.typist, null);
  types('start');
  hear({ type: 'user_message', id: 'u1', seq: 1, session_id: 's1', sender: 'user', content: 'x' });
  assert.equal(desk.typist, null);
  types('start', { sender: 'admin', metadata: { state: 'start', admin_name: 'Kim' } });
  assert.equal(desk.typist, 'Kim');
  desk.open('s2', { id: 's2', user_id: 'ben' });
  assert.equal(desk.typist, null);
});

test('words that were not acked are sent though another talk is opened, also on the next socket', (t) => {
  const { desk, heard, hear, greet, join, resumed, said, tick } = make(t);
  desk.open('s1', { id: 's1', user_id: 'ada' });
  resumed(0);
  join(1);
  desk.say('hello');
  desk.open('s2', { id: 's2', user_id: 'ben' });
  assert.equal(said().length, 1);
  FakeWebSocket.newest.dispatchEvent(Object.assign(new Event('close'), { code: 1006, reason: '' }));
  tick(1000);
  greet();
  tick(1000);
  const again = said();
  assert.deepEqual(again.map((frame) => [frame.content, frame.session_id]), [['hello', 's1']], 'the same words by the same id');
  hear({ type: 'ack', id: again[0].id, session_id: 's1', seq: 2 });
  tick(60_000);
  assert.equal(said().length, 1, 'acked');
  assert.deepEqual(heard.filter(([name]) => name === 'notice'), []);
});

test('words that were refused while another talk is open are told', (t) => {
  const { desk, heard, hear, join, resumed, said, tick } = make(t);
  desk.open('s1', { id: 's1', user_id: 'ada' });
  resumed(0);
  join(1);
  desk.say('hello');
  desk.open('s2', { id: 's2', user_id: 'ben' });
  hear({ type: 'error', id: said()[0].id, session_id: 's1', error: { code: 'SESSION_ENDED', message: 'This session has ended.', recoverable: false } });
  tick(60_000);
  assert.deepEqual([said().length, heard.at(-1)], [1, ['notice', 'A message was not sent: This session has ended.']]);
});

test('a user’s words in a talk that is held are told, wherever it is', (t) => {
  const { desk, heard, hear, join, resumed } = make(t);
  const word = (seq, session) => hear({ type: 'user_message', id: `u${seq}`, seq, session_id: session, sender: 'user', content: 'x' });
  desk.open('s1', { id: 's1', user_id: 'ada' });
  resumed(0);
  word(1, 's1');
  assert.deepEqual(heard, [], 'watched only');
  join(2);
  word(3, 's1');
  desk.open('s2', { id: 's2', user_id: 'ben' });
  word(4, 's1');
  assert.deepEqual(heard.filter(([name]) => name === 'words'), [['words', 's1'], ['words', 's1']]);
});
