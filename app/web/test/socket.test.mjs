import test from 'node:test';
import assert from 'node:assert/strict';
import { Socket } from '../page/js/socket.js';

// A WebSocket that does what the test says. Nothing here has a network.
class FakeWebSocket extends EventTarget {
  static OPEN = 1;
  static made = [];
  readyState = 0;
  sent = [];

  constructor(url) {
    super();
    this.url = url;
    FakeWebSocket.made.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  hear(frame) {
    this.readyState = 1;
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(frame) }));
  }

  greet(pod = 'pod-1') {
    this.hear({ type: 'connection_status', metadata: { connection_id: 'c', pod } });
  }
}

function make(t) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1e12 });
  globalThis.WebSocket = FakeWebSocket;
  FakeWebSocket.made = [];
  const network = new EventTarget();
  const states = [];
  const socket = new Socket({
    url: () => 'ws://x/ws', protocols: () => [], onFrame: () => {}, onState: (state) => states.push(state), probe: async () => 'away', network,
  });
  t.after(() => socket.close());
  return { socket, states, newest: () => FakeWebSocket.made.at(-1), says: (name) => network.dispatchEvent(new Event(name)), tick: (ms) => t.mock.timers.tick(ms) };
}

test('a lost network is told at once, and its return reconnects at once', (t) => {
  const { socket, newest, says } = make(t);
  socket.connect();
  newest().greet();
  assert.equal(socket.state.name, 'open');
  says('offline');
  assert.equal(socket.state.name, 'offline');
  assert.equal(socket.send({ type: 'x' }), false, 'nothing is handed to a socket that leads nowhere');
  const before = FakeWebSocket.made.length;
  says('online');
  assert.equal(FakeWebSocket.made.length, before + 1);
  newest().greet('pod-2');
  assert.deepEqual([socket.state.name, socket.state.moved.from], ['open', 'pod-1']);
});

test('offline stays offline while it is tried all the same, until a pod greets', (t) => {
  const { socket, states, newest, says, tick } = make(t);
  socket.connect();
  newest().greet();
  says('offline');
  for (let i = 0; i < 4; i += 1) {
    tick(15_000);
    newest().dispatchEvent(Object.assign(new Event('close'), { code: 1006, reason: '' }));
  }
  assert.ok(FakeWebSocket.made.length > 2, 'it is tried');
  assert.deepEqual([...new Set(states.slice(2).map((state) => state.name))], ['offline']);
  tick(20_000);
  newest().greet();
  assert.equal(socket.state.name, 'open', 'the browser was wrong');
});

test('what comes late on the socket of a lost network is not heard', (t) => {
  const { socket, newest, says } = make(t);
  socket.connect();
  const old = newest();
  old.greet();
  says('offline');
  old.greet('pod-9');
  old.dispatchEvent(Object.assign(new Event('close'), { code: 1000, reason: '' }));
  assert.equal(socket.state.name, 'offline');
});

test('a page that was refused or has not begun does not connect because a network came', (t) => {
  const { socket, newest, says } = make(t);
  says('offline');
  says('online');
  assert.equal(FakeWebSocket.made.length, 0);
  socket.connect();
  newest().dispatchEvent(Object.assign(new Event('close'), { code: 4501, reason: '' }));
  says('offline');
  says('online');
  assert.deepEqual([FakeWebSocket.made.length, socket.state.name], [1, 'refused']);
});
