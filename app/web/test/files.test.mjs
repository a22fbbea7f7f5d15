import test from 'node:test';
import assert from 'node:assert/strict';
import { APIError } from '../page/js/api.js';
import { FilesAPI, Lost } from '../page/js/files/files-api.js';
import { clockText, fileOf, filesOf, inWords, kindOf, sizeText, typeText } from '../page/js/files/kinds.js';
import { MOST_FILES, Tray } from '../page/js/files/tray.js';
import { planFor } from '../page/js/files/trouble.js';
import { withDuration } from '../page/js/files/webm.js';
import { SessionStore, spoken } from '../page/js/session-store.js';
import { settled } from './fake-api.mjs';

const wire = (id, more = {}) => ({ file_id: id, file_url: `/chatbox/files/${id}`, filename: `${id}.png`, content_type: 'image/png', size: 12, ...more });
const base = new URL('https://chat.example/chatbox/');
const source = (name, size = 100, type = 'image/png') => ({ name, size, type });

// ---- what a file is ----

test('events carry files in three ways, and an address elsewhere is only a link', () => {
  assert.deepEqual(filesOf({ files: [wire('file_a', { width: 4, height: 3 }), wire('file_b', { duration_ms: 1500 })] }).map((one) => [one.id, one.width, one.duration]), [['file_a', 4, 0], ['file_b', 0, 1500]]);
  assert.deepEqual(filesOf({ file_id: 'file_a', file_url: '/chatbox/files/file_a', metadata: { filename: 'a.pdf' } }).map((one) => [one.id, one.name, one.address]), [['file_a', 'a.pdf', '']]);
  assert.deepEqual(filesOf({ file_id: 'x', file_url: 'https://example.org/a.png' }).map((one) => [one.id, one.name, one.address]), [['', 'example.org', 'https://example.org/a.png']]);
  assert.deepEqual(filesOf({ content: 'words' }), []);
  for (const bad of ['javascript:alert(1)', 'http://example.org/a', 'data:text/html,x', '//example.org/x', 'blob:https://a/b']) {
    assert.deepEqual(filesOf({ file_url: bad, metadata: { filename: 'n' } }).map((one) => [one.id, one.address]), [['', '']], bad);
  }
});

test('hostile names and ids of files stay text', () => {
  const file = fileOf(wire('../../admin/audit', { filename: 'a\u202Egnp.exe\u0000\n', size: -1, width: 'x', content_type: null }));
  assert.deepEqual([file.id, file.size, file.width, file.type], ['', 0, 0, '']);
  assert.ok(!/[\u0000\n\u202E]/.test(file.name), file.name);
  assert.equal(fileOf({}).name, 'File');
});

test('the kind follows the type that the server found, never the name', () => {
  const kind = (type) => kindOf({ type });
  assert.deepEqual(['image/png', 'image/webp', 'image/svg+xml', 'audio/webm', 'video/mp4', 'text/html', 'application/pdf', ''].map(kind),
    ['picture', 'picture', 'document', 'sound', 'video', 'document', 'document', 'document']);
});

test('sizes, times and types are short', () => {
  assert.deepEqual([0, 1, 999, 1000, 1234, 12_345, 3_400_000, 104_857_600, 2.5e9, 5e13].map((n) => sizeText(n, 'en')), ['', '1 byte', '999 bytes', '1 kB', '1.2 kB', '12 kB', '3.4 MB', '105 MB', '2.5 GB', '50,000 GB']);
  assert.deepEqual([0, 400, 7000, 754_000, 3_723_000, NaN, -5].map(clockText), ['0:00', '0:00', '0:07', '12:34', '1:02:03', '0:00', '0:00']);
  assert.deepEqual(['a.pdf', 'b.tar.gz', 'none', '.profile', 'x.verylong'].map((name) => typeText({ name })), ['PDF', 'GZ', '', '', '']);
  assert.deepEqual([inWords([]), inWords([{ name: 'a' }]), inWords([{}, {}]), inWords([{}], 'voice_message')], ['', 'the file a', '2 files', 'a voice message']);
});

// ---- what a failure means ----

test('each refusal says what to do, and only some may be tried again', () => {
  const now = Date.parse('2026-03-02T10:00:00Z');
  const told = (status, message = 'm', after = 0) => planFor(new APIError(status, '', message, after), 9, now);
  assert.deepEqual(told(413, 'the file is larger than 104857600 bytes'), { text: `The file is too large; the limit is ${sizeText(104_857_600)}.`, again: false });
  assert.deepEqual(told(413, 'more than 50 megapixels'), { text: 'The file is too large: more than 50 megapixels.', again: false });
  assert.deepEqual(told(415), { text: 'Files of this type are not accepted.', again: false });
  assert.deepEqual(told(422), { text: 'The virus scanner refused this file.', again: false });
  assert.deepEqual(told(400, 'file: is empty'), { text: 'The file was refused: file: is empty.', again: false });
  assert.match(told(429, 'm', 3_600_000).text, /^The limit for uploads is reached\. Try again at /);
  assert.deepEqual([told(429).again, told(503).again, told(503).text], [true, true, 'The file cannot be stored just now.']);
});

test('what may pass is waited for, within bounds', () => {
  assert.equal(planFor(new APIError(503, '', '', 3000), 1).wait, 3000);
  assert.equal(planFor(new APIError(429, '', '', 3_600_000), 1).wait, undefined, 'nobody waits for tomorrow');
  assert.ok(planFor(new Lost(), 1).wait < planFor(new Lost(), 4).wait);
  assert.equal(planFor(new Lost(), 8).again, true);
});

// ---- the tray ----

// A server of which the test decides what happens to each attempt.
function server() {
  const attempts = [];
  const send = (file, { key, signal, onProgress }) => new Promise((resolve, reject) => {
    attempts.push({ file, key, signal, onProgress, resolve: () => resolve(fileOf(wire(`file_${file.name}`))), reject });
  });
  return { attempts, tray: new Tray(send) };
}

test('files are uploaded three at a time, and taken in their order', async () => {
  const { attempts, tray } = server();
  assert.equal(tray.state, 'empty');
  tray.add(['a', 'b', 'c', 'd'].map((name) => source(name)));
  assert.deepEqual(attempts.map(({ file }) => file.name), ['a', 'b', 'c']);
  attempts[1].resolve();
  await settled();
  assert.equal(attempts[3].file.name, 'd');
  attempts[0].onProgress(50, 100);
  assert.deepEqual([tray.uploads[0].sent, tray.state, tray.take()], [50, 'busy', []]);
  for (const one of attempts) one.resolve();
  await settled();
  assert.equal(tray.state, 'ready');
  assert.deepEqual(tray.take().map((file) => file.id), ['file_a', 'file_b', 'file_c', 'file_d']);
  assert.equal(tray.state, 'empty');
});

test('a lost connection is repeated with the same key, and the network ends the wait', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { attempts, tray } = server();
  tray.add([source('a')]);
  attempts[0].reject(new Lost());
  await settled();
  assert.equal(tray.uploads[0].state, 'waiting');
  t.mock.timers.tick(600);
  assert.equal(attempts.length, 2);
  tray.interrupt(); // the browser reports that the network is gone
  assert.deepEqual([tray.uploads[0].state, attempts[1].signal.aborted], ['waiting', true]);
  tray.nudge();
  attempts[1].resolve(); // too late: it was given up
  await settled();
  assert.equal(tray.uploads[0].state, 'running');
  attempts[2].resolve();
  await settled();
  assert.equal(tray.state, 'ready');
  assert.equal(new Set(attempts.map(({ key }) => key)).size, 1);
  assert.match(attempts[0].key, /^[A-Za-z0-9._:-]{1,64}$/);
});

test('a cancelled upload is aborted and makes room, also while it waits', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { attempts, tray } = server();
  tray.add(['a', 'b', 'c', 'd'].map((name) => source(name)));
  tray.remove(tray.uploads[0]);
  assert.deepEqual([attempts[0].signal.aborted, attempts[3].file.name], [true, 'd']);
  attempts[1].reject(new Lost());
  await settled();
  tray.remove(tray.uploads[0]);
  t.mock.timers.tick(60_000);
  assert.deepEqual(attempts.map(({ file }) => file.name), ['a', 'b', 'c', 'd']);
});

test('a refused file blocks the message until it is removed or tried again', async () => {
  const { attempts, tray } = server();
  tray.add([source('a'), source('b'), source('empty', 0)]);
  attempts[0].reject(new APIError(415, '', 'm'));
  attempts[1].reject(new APIError(429, '', 'm', 3_600_000));
  await settled();
  const [a, b, empty] = tray.uploads;
  assert.deepEqual([tray.state, a.state, a.again, b.again, empty.problem, empty.again], ['failed', 'failed', false, true, 'The file is empty.', false]);
  a.retry();
  assert.equal(attempts.length, 2, 'a type does not change');
  b.retry();
  attempts[2].resolve();
  await settled();
  assert.equal(attempts[2].key, attempts[1].key);
  tray.remove(a);
  tray.remove(empty);
  assert.deepEqual([tray.state, tray.take().length], ['ready', 1]);
});

test('a message carries ten files, also with those put back', () => {
  const { tray } = server();
  const told = [];
  tray.addEventListener('refused', ({ detail }) => told.push(detail));
  tray.putBack([fileOf(wire('file_x'))]);
  tray.add(Array.from({ length: 12 }, (_, i) => source(`f${i}`)));
  assert.deepEqual([tray.uploads.length, told.length], [MOST_FILES, 1]);
  tray.putBack([fileOf(wire('file_y'))]);
  assert.equal(tray.uploads.length, MOST_FILES);
});

// ---- requests ----

class FakeRequest {
  upload = {};
  headers = {};
  status = 0;
  responseText = '';
  open(method, url) { Object.assign(this, { method, url }); }
  setRequestHeader(name, value) { this.headers[name] = value; }
  getResponseHeader(name) { return this.replied?.[name] ?? null; }
  send(body) { this.body = body; }
  abort() { this.aborted = true; }
  reply(status, body, replied = {}) {
    Object.assign(this, { status, replied, responseText: typeof body === 'string' ? body : JSON.stringify(body) });
    this.onload();
  }
}

function makeAPI(call = async () => ({})) {
  const requests = [];
  const api = new FilesAPI({ api: { call }, base, token: 'tok', request: () => (requests.push(new FakeRequest()), requests.at(-1)) });
  return { api, requests };
}

test('an upload is one part named file, with its key and the token', async () => {
  const { api, requests } = makeAPI();
  const seen = [];
  const done = api.upload(new File(['abc'], 'a.png'), { key: 'k1', onProgress: (sent, total) => seen.push([sent, total]) });
  const [request] = requests;
  assert.deepEqual([request.method, request.url, request.headers], ['POST', 'https://chat.example/chatbox/files', { Authorization: 'Bearer tok', 'Idempotency-Key': 'k1' }]);
  assert.deepEqual([...request.body.keys()], ['file']);
  assert.equal(request.body.get('file').name, 'a.png');
  request.upload.onprogress({ loaded: 2, total: 3 });
  request.reply(201, wire('file_a'));
  assert.deepEqual([(await done).id, seen], ['file_a', [[2, 3]]]);
});

test('refusals, broken answers, silence and a cancel each end an upload once', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { api, requests } = makeAPI();
  const begin = (more) => api.upload(new File(['abc'], 'a.png'), { key: 'k', ...more }).then(() => 'stored', (error) => error);
  let ended = begin();
  requests.at(-1).reply(429, { code: 'TOO_MANY_REQUESTS', message: 'm' }, { 'Retry-After': '7' });
  let error = await ended;
  assert.deepEqual([error instanceof APIError, error.status, error.code, error.retryAfter], [true, 429, 'TOO_MANY_REQUESTS', 7000]);
  ended = begin();
  requests.at(-1).reply(502, '<html>');
  assert.equal((await ended).status, 502);
  ended = begin();
  requests.at(-1).onerror();
  assert.ok(await ended instanceof Lost);
  ended = begin();
  t.mock.timers.tick(30_000);
  assert.ok(await ended instanceof Lost);
  assert.equal(requests.at(-1).aborted, true);
  ended = begin();
  requests.at(-1).upload.onload();
  t.mock.timers.tick(90_000); // scanned for long
  requests.at(-1).reply(201, wire('file_a'));
  assert.equal(await ended, 'stored');
  const controller = new AbortController();
  ended = begin({ signal: controller.signal });
  controller.abort(new Error('mine'));
  error = await ended;
  assert.deepEqual([error.message, requests.at(-1).aborted], ['mine', true]);
});

test('links are used while they last, and never lead elsewhere', async () => {
  const calls = [];
  let answer = { url: '/chatbox/files/file_a/content?exp=1&sig=x', expires_at: new Date(Date.now() + 300_000).toISOString() };
  const { api } = makeAPI(async (method, path) => {
    calls.push(`${method} ${path}`);
    return answer;
  });
  assert.equal(await api.link('file_a', { width: 320 }), 'https://chat.example/chatbox/files/file_a/content?exp=1&sig=x');
  await api.link('file_a', { width: 320 });
  await api.link('file_a');
  await api.link('file_a', { width: 320, fresh: true });
  assert.deepEqual(calls, ['GET files/file_a?w=320', 'GET files/file_a', 'GET files/file_a?w=320']);
  answer = { ...answer, expires_at: new Date(Date.now() + 5000).toISOString() };
  await api.link('file_b');
  await api.link('file_b');
  assert.equal(calls.length, 5, 'a link that ends soon is not used again');
  for (const url of ['https://evil.example/x', '//evil.example/x', 'javascript:alert(1)', 'data:text/html,x']) {
    answer = { url, expires_at: '' };
    await assert.rejects(api.link('file_c'), /elsewhere/, url);
  }
});

test('the page learns from the route whether there is a store', async () => {
  const with_ = (status) => makeAPI(async () => { throw new APIError(status, '', ''); }).api.exist();
  assert.deepEqual([await with_(405), await with_(404), await makeAPI().api.exist()], [true, false, true]);
  await assert.rejects(with_(503));
  await assert.rejects(with_(429));
  await assert.rejects(makeAPI(async () => { throw new TypeError('network'); }).api.exist());
});

test('a removed upload is discarded, and nothing depends on it', async () => {
  const asked = [];
  const { api } = makeAPI(async (...call) => {
    asked.push(call);
    throw new APIError(409, 'CONFLICT', 'in use');
  });
  await api.discard('file_a/b');
  assert.deepEqual(asked, [['DELETE', 'files/file_a%2Fb']]);
});

// ---- in a session ----

const made = () => {
  let n = 0;
  const store = new SessionStore('s', { newID: () => `m${++n}`, now: () => 1000 });
  store.receive({ type: 'resumed', session_id: 's', seq: 0, metadata: { recovered: 'true' } });
  return store;
};
const file = fileOf(wire('file_a'));

test('words with files are one message, files without words are uploads', () => {
  const store = made();
  const said = store.say('look', [file]);
  const given = store.give(file);
  const spokenFile = store.give(file, 'voice_message');
  assert.deepEqual([said, given, spokenFile].map((item) => item.frame), [
    { type: 'user_message', content: 'look', file_ids: ['file_a'], id: 'm1', session_id: 's' },
    { type: 'file_upload', file_id: 'file_a', id: 'm2', session_id: 's' },
    { type: 'voice_message', file_id: 'file_a', id: 'm3', session_id: 's' },
  ]);
  assert.equal('file_ids' in store.say('words').frame, false);
  store.receive({ type: 'ack', id: 'm1', session_id: 's', seq: 1 });
  assert.deepEqual(store.items()[0].files, [file], 'an ack brings no files; those that were sent are shown');
});

test('files of others, and one\u2019s own after a reload, come from events and the history', () => {
  const store = made();
  store.receive({ type: 'user_message', id: 'u1', seq: 1, sender: 'user', content: 'see', files: [wire('file_a'), wire('file_b')] });
  store.receive({ type: 'file_upload', id: 'u2', seq: 2, sender: 'admin', file_id: 'file_c', file_url: '/chatbox/files/file_c', files: [wire('file_c')], metadata: { admin_id: 'x' } });
  const again = made();
  again.fill([{ type: 'voice_message', id: 'u1', seq: 1, sender: 'user', file_id: 'file_v', files: [wire('file_v', { duration_ms: 900 })] }], false);
  assert.deepEqual(store.items().map((item) => item.files.map(({ id }) => id)), [['file_a', 'file_b'], ['file_c']]);
  assert.deepEqual(again.items().map((item) => [item.type, item.files[0].duration, spoken(item)]), [['voice_message', 900, '']]);
});

test('a transcript belongs to its recording, and leaves no hole', () => {
  const store = made();
  store.receive({ type: 'voice_message', id: 'u1', seq: 1, sender: 'user', files: [wire('file_v')] });
  const { rev } = store.items()[0];
  assert.equal(store.receive({ type: 'transcript', id: 't1', seq: 2, sender: 'system', content: 'good day', metadata: { of: 'u1', of_seq: '1' } }).resume, null);
  assert.deepEqual([store.items().length, store.items()[0].transcript, store.items()[0].rev > rev, store.lastSeq], [1, 'good day', true, 2]);
  const page = made();
  page.fill([{ type: 'transcript', id: 't1', seq: 2, content: 'good day', metadata: { of: 'u1', of_seq: '1' } }], true);
  page.fill([{ type: 'voice_message', id: 'u1', seq: 1, sender: 'user', files: [wire('file_v')] }], false);
  assert.deepEqual(page.items().map((item) => item.transcript), ['good day']);
});

test('ids are unique per sender: a transcript belongs to the recording at its seq', () => {
  const store = made();
  store.receive({ type: 'voice_message', id: 'v1', seq: 1, sender: 'user', files: [wire('file_a')] });
  store.receive({ type: 'voice_message', id: 'v1', seq: 2, sender: 'admin', files: [wire('file_b')], metadata: { admin_id: 'x' } });
  store.receive({ type: 'transcript', id: 't2', seq: 3, sender: 'system', content: 'of staff', metadata: { of: 'v1', of_seq: '2' } });
  assert.deepEqual(store.items().map((item) => item.transcript), ['', 'of staff']);
});

test('while a person answers, a retry has a failed transcript made again, and its error goes', () => {
  const store = made();
  store.receive({ type: 'admin_join', id: 'j', seq: 1, sender: 'system', metadata: { admin_id: 'x', admin_name: 'Pat' } });
  store.receive({ type: 'voice_message', id: 'v1', seq: 2, sender: 'user', files: [wire('file_a')] });
  assert.equal(store.retryable, '');
  store.receive({ type: 'error', id: 'ans_1', error: { code: 'LLM_UNAVAILABLE', message: 'Nobody listened.', recoverable: true }, metadata: { reply_to: 'v1' } });
  assert.equal(store.retryable, 'v1');
  store.receive({ type: 'transcript', id: 't1', seq: 3, sender: 'system', content: 'hello', metadata: { of: 'v1', of_seq: '2' } });
  assert.deepEqual([store.retryable, store.items().map((item) => item.kind)], ['', ['note', 'message']]);
});

test('a recording is answered like a message, an upload is not', () => {
  const store = made();
  store.receive({ type: 'voice_message', id: 'u1', seq: 1, sender: 'user', files: [wire('file_v')] });
  store.receive({ type: 'file_upload', id: 'u2', seq: 2, sender: 'user', file_id: 'file_a' });
  assert.deepEqual([store.retryable, store.unanswered], ['u1', true]);
  store.receive({ type: 'ai_response', id: 'ans_1', seq: 3, content: 'no words', metadata: { streaming: 'false', done: 'true', reply_to: 'u1', finish: 'cancelled' } });
  assert.deepEqual([store.retryable, store.items().map((item) => item.id).join()], ['u1', 'u1,ans_1,u2']);
  const held = made();
  const event = (seq, type, sender, more = {}) => held.receive({ type, id: `e${seq}`, seq, sender, ...more });
  event(1, 'admin_join', 'admin', { metadata: { admin_id: 'sam' } });
  event(2, 'voice_message', 'user', { files: [wire('file_v')] });
  event(3, 'file_upload', 'admin', { files: [wire('file_a')] });
  event(4, 'admin_leave', 'admin', { metadata: { automatic: 'true' } });
  assert.equal(held.retryable, '', 'a file of staff is a reply');
});

test('durable events of a newer server have their place and are not shown', () => {
  const store = made();
  assert.deepEqual([store.receive({ type: 'tool_call', id: 'c', seq: 1, content: '{}' }).resume, store.lastSeq, store.isEmpty], [null, 1, true]);
  store.receive({ type: 'read', seq: 40, sender: 'user' });
  store.receive({ type: 'user_message', id: 'u2', seq: 2, sender: 'user', content: 'x' });
  assert.deepEqual([store.lastSeq, store.items().length], [2, 1]);
});

// ---- recordings ----

const bytes = (...parts) => Uint8Array.from(parts.flat());
const webm = (segment = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], info = [0x2a, 0xd7, 0xb1, 0x83, 0x0f, 0x42, 0x40]) => bytes(
  [0x1a, 0x45, 0xdf, 0xa3, 0x81, 0x00], [0x18, 0x53, 0x80, 0x67], segment, [0x15, 0x49, 0xa9, 0x66, 0x80 + info.length], info, [0x16, 0x54, 0xae, 0x6b, 0x80]);

test('a streamed recording gets its duration, and any other file stays as it is', async () => {
  const whole = new Uint8Array(await new Blob(withDuration(webm(), 12_500)).arrayBuffer());
  assert.equal(whole.length, webm().length + 11 + 7, 'the element, and a longer length');
  const at = whole.findIndex((byte, i) => byte === 0x44 && whole[i + 1] === 0x89 && whole[i + 2] === 0x88);
  assert.equal(new DataView(whole.buffer).getFloat64(at + 3), 12_500);
  assert.deepEqual([...whole.slice(-5)], [0x16, 0x54, 0xae, 0x6b, 0x80], 'what follows is kept');
  const same = (input) => assert.deepEqual(withDuration(input, 1), [input]);
  same(webm([0x8a])); // a segment of known length
  same(webm(undefined, [0x44, 0x89, 0x84, 0, 0, 0, 0]));
  for (const broken of [bytes(), bytes([0]), bytes([0x1a, 0x45]), webm().slice(0, 20), bytes([0x52, 0x49, 0x46, 0x46, 1, 2, 3])]) same(broken);
});
