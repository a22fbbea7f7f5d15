import test from 'node:test';
import assert from 'node:assert/strict';
import { FakeAPI, settled } from './fake-api.mjs';
import { Acts } from '../page/js/staff/acts.js';
import { Drafts } from '../page/js/staff/drafts.js';
import { Notes, fits } from '../page/js/staff/notes.js';
import { Queue, queryOf } from '../page/js/staff/queue.js';
import { Replies, gapsIn, matching } from '../page/js/staff/replies.js';
import { rightsOf } from '../page/js/staff/rights.js';
import { marked, searchOf, termsOf } from '../page/js/staff/search.js';
import { addDay, stateOf } from '../page/js/staff/support.js';

const token = (claims) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;
const sessions = (n) => Array.from({ length: n }, (_, i) => ({ id: `s${i}`, tags: i % 2 ? ['billing'] : [] }));

function makeQueue(t, n = 3) {
  const api = new FakeAPI('sam');
  api.sessions = sessions(n);
  const queue = new Queue({ api, me: 'sam' });
  t.after(() => queue.stop());
  return { api, queue };
}

test('rights follow the roles, and an unreadable token has none', () => {
  assert.deepEqual(rightsOf(token({ user_id: 'sam', name: 'Sam', roles: ['chat_admin'] })), { id: 'sam', name: 'Sam', change: true, owner: false });
  assert.deepEqual(rightsOf(token({ sub: 'ada', roles: ['admin'] })), { id: 'ada', name: 'ada', change: true, owner: true });
  assert.deepEqual(rightsOf(token({ user_id: 'v', roles: ['chat_viewer'] })), { id: 'v', name: 'v', change: false, owner: false });
  assert.deepEqual(rightsOf('nonsense'), { id: '', name: '', change: false, owner: false });
});

test('each list is asked for in its order, with its tags and its owner', () => {
  assert.equal(queryOf('waiting', { me: 'sam' }), 'status=active&waiting=true&sort_by=waiting_since&sort_order=asc&limit=50');
  assert.equal(queryOf('mine', { me: 'a b' }), 'status=active&held_by=a+b&sort_by=last_activity&sort_order=desc&limit=50');
  assert.equal(queryOf('all', { me: 'sam', tags: ['x&y', 'z'], limit: 7, cursor: 'c=' }), 'sort_by=last_activity&sort_order=desc&tag=x%26y&tag=z&limit=7&cursor=c%3D');
});

test('a refresh keeps as many as were shown; places are told only of the whole queue', async (t) => {
  const { api, queue } = makeQueue(t, 120);
  await queue.look();
  assert.deepEqual([queue.sessions.length, queue.next], [50, '50']);
  await queue.more();
  await queue.look();
  assert.equal(queue.sessions.length, 100);
  assert.equal(queue.placeOf('s2'), 3);
  await queue.choose({ tags: ['billing'] });
  assert.deepEqual([queue.sessions[0].id, queue.placeOf('s1')], ['s1', 0]);
  await queue.choose({ filter: 'all', tags: [] });
  assert.equal(queue.placeOf('s1'), 0);
  assert.ok(api.calls.filter((call) => call.includes('counters')).length >= 4);
});

test('last words are read once for each change, fifty at a time', async (t) => {
  const { api, queue } = makeQueue(t, 120);
  const asked = () => api.calls.filter((call) => call.includes('previews')).map((call) => call.split(',').length);
  await queue.look();
  await queue.more();
  for (let i = 0; i < 8; i += 1) await settled();
  assert.deepEqual(asked(), [50, 50]);
  assert.equal(queue.words.get('s70').excerpt, 'last of s70');
  api.sessions[3].last_activity = '2026-01-01T10:00:00Z';
  api.sessions[4].message_count = 7;
  await queue.look();
  await queue.look();
  for (let i = 0; i < 8; i += 1) await settled();
  assert.deepEqual(asked(), [50, 50, 2]);
  api.call = async (method, path) => { if (path.includes('previews')) throw new Error('away'); return { sessions: sessions(1), next_cursor: '' }; };
  await queue.look();
  assert.equal(queue.sessions.length, 1, 'a list without last words is a list');
});

test('the answer to an older look is dropped', async (t) => {
  const { api, queue } = makeQueue(t);
  api.hold = (_, path) => path.includes('waiting=true');
  const old = queue.look();
  await settled();
  api.hold = null;
  await queue.choose({ filter: 'all' });
  api.sessions = [];
  queue.sessions = [{ id: 'new' }];
  api.release();
  await old;
  assert.deepEqual(queue.sessions, [{ id: 'new' }]);
});

test('the next page is kept though a look was under way, and a refusal of it is told', async (t) => {
  const { api, queue } = makeQueue(t, 120);
  await queue.look();
  api.hold = (_, path) => !path.includes('cursor');
  const old = queue.look();
  await settled();
  await queue.more();
  api.release();
  await old;
  assert.equal(queue.sessions.length, 100);
  const troubles = [];
  queue.addEventListener('trouble', ({ detail }) => troubles.push(detail.message));
  api.call = async () => { throw new Error('away'); };
  await queue.more();
  assert.deepEqual(troubles, ['away']);
});

test('what many hints are about is looked at once a second', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1e12 });
  const { api, queue } = makeQueue(t);
  const looks = () => api.calls.filter((call) => call.includes('counters')).length;
  for (let i = 0; i < 100; i += 1) queue.hint();
  t.mock.timers.tick(0);
  await settled();
  assert.equal(looks(), 1, 'at once');
  for (let i = 0; i < 100; i += 1) queue.hint();
  t.mock.timers.tick(999);
  await settled();
  assert.equal(looks(), 1);
  t.mock.timers.tick(1);
  await settled();
  assert.equal(looks(), 2);
});

test('tags that are changed one upon the other are all kept', async () => {
  let stored = ['a'];
  const held = [];
  const api = { async call(_, path, { body: { tags } }) {
    await new Promise((resolve) => held.push(resolve));
    if (tags.includes('bad')) throw new Error('refused');
    stored = tags;
    return { session_id: path, tags };
  } };
  const shown = [];
  const acts = new Acts(api, { changed: (_, { tags }) => shown.push(tags) });
  const adding = (tag) => acts.retag('s1', ['a'], (tags) => [...tags, tag]); // the page still shows what was there at first
  const done = [adding('b'), adding('bad').catch((error) => error.message), adding('c'), acts.retag('s1', ['a'], (tags) => tags.filter((one) => one !== 'a'))];
  for (let i = 0; i < 8; i += 1) {
    await settled();
    held.shift()?.();
  }
  assert.deepEqual((await Promise.all(done))[1], 'refused');
  assert.deepEqual(stored, ['b', 'c']);
  assert.deepEqual(shown.at(-1), ['b', 'c']);
  assert.deepEqual(await acts.retag('s1', stored, (tags) => tags), ['b', 'c'], 'nothing to change: nothing is asked');
});

test('what was begun in one conversation does not come into another, nor what could not be sent', () => {
  const box = { value: '', dataset: {} };
  const drafts = new Drafts(box);
  drafts.turn('s1');
  box.value = 'Dear {{user_name}}';
  box.dataset.gaps = '["{{user_name}}"]';
  drafts.turn('s2');
  assert.deepEqual([box.value, box.dataset.gaps], ['', undefined]);
  drafts.giveBack('s1', 'late');
  drafts.giveBack('s3', 'of three');
  assert.equal(box.value, '');
  drafts.giveBack('s2', 'of two');
  assert.equal(box.value, 'of two');
  drafts.turn('s1');
  assert.deepEqual([box.value, box.dataset.gaps], ['Dear {{user_name}}', '["{{user_name}}"]'], 'a gap that is left is still one');
  drafts.turn('s3');
  assert.deepEqual([box.value, box.dataset.gaps], ['of three', undefined]);
});

test('a refusal is told, and the queue is looked at again', async (t) => {
  const { api, queue } = makeQueue(t);
  api.counters = undefined;
  api.call = async () => { throw new Error('away'); };
  const troubles = [];
  queue.addEventListener('trouble', ({ detail }) => troubles.push(detail.message));
  await queue.look();
  assert.deepEqual(troubles, ['away']);
});

test('an act is shown before the next look', async (t) => {
  const { queue } = makeQueue(t);
  await queue.look();
  queue.changed('s1', { tags: ['urgent'] });
  assert.deepEqual(queue.sessions[1].tags, ['urgent']);
});

test('notes are added, edited and removed; only their author edits them', async () => {
  const api = new FakeAPI('sam');
  const notes = new Notes(api, { id: 'sam', change: true, owner: false });
  notes.of('s1');
  await settled();
  await notes.add('Calls back on Monday');
  const [note] = notes.list;
  assert.deepEqual([note.text, notes.mayEdit(note), notes.mayRemove(note)], ['Calls back on Monday', true, true]);
  await notes.edit(note.id, 'On Tuesday');
  assert.deepEqual([notes.list[0].text, Boolean(notes.list[0].updated_at)], ['On Tuesday', true]);
  const foreign = { ...note, admin_id: 'kim' };
  assert.deepEqual([notes.mayEdit(foreign), notes.mayRemove(foreign)], [false, false]);
  assert.equal(new Notes(api, { id: 'ada', change: true, owner: true }).mayRemove(foreign), true);
  await notes.remove(note.id);
  assert.deepEqual(notes.list, []);
  assert.deepEqual([fits(' \n'), fits('x'.repeat(4000)), fits('🙂'.repeat(4000)), fits('x'.repeat(4001))], [false, true, true, false]);
});

test('notes of the conversation before do not come into the next', async () => {
  const api = new FakeAPI('sam');
  const notes = new Notes(api, { id: 'sam', change: true });
  api.notes.set('s1', [{ id: 'n', admin_id: 'sam', text: 'of one' }]);
  api.hold = (_, path) => path.includes('s1');
  notes.of('s1');
  notes.of('s2');
  await settled();
  api.release();
  await settled();
  assert.deepEqual([notes.session, notes.list], ['s2', []]);
});

test('canned replies: the shortcut first, then the title, then the text', async () => {
  const api = new FakeAPI('sam');
  const replies = new Replies(api);
  await replies.save('', { shortcut: 'bye', title: 'Good bye', text: 'Thanks, and hello again soon' });
  await replies.save('', { shortcut: 'hello', title: 'Greeting', text: 'Good day {{user_name}}' });
  await replies.save('', { shortcut: 'hell', title: '', text: 'x' });
  const found = (typed) => matching(replies.list, typed).map((one) => one.shortcut);
  assert.deepEqual(found(''), ['bye', 'hello', 'hell']);
  assert.deepEqual(found('hell'), ['hell', 'hello', 'bye']);
  assert.deepEqual(found('GOOD'), ['bye', 'hello']);
  assert.deepEqual(found('good bye'), ['bye']);
  assert.deepEqual(found('nothing'), []);
  const filled = await replies.render(replies.list[1].id, 's1');
  assert.deepEqual(gapsIn(filled.content, filled.missing), ['{{user_name}}']);
  assert.deepEqual(gapsIn('{{ user_name }}, {{date}} {{ user_name }}', ['user_name']), ['{{ user_name }}']);
  assert.deepEqual(gapsIn('no gap', ['user_name']), []);
  await replies.remove(replies.list[0].id);
  assert.equal(replies.list.length, 2);
});

test('a search says what was filled in, and nothing where nothing was', () => {
  assert.equal(searchOf({ q: '  ', user_id: '' }), '');
  assert.equal(searchOf({ q: 'late "the invoice"', status: 'ended' }, 'c'), 'q=late+%22the+invoice%22&status=ended&limit=25&cursor=c');
});

test('what was found is marked: whole words, folded; phrases only together', () => {
  const hits = (text, q) => marked(text, q).filter((part) => part.hit).map((part) => part.text);
  const whole = (text, q) => marked(text, q).map((part) => part.text).join('');
  assert.deepEqual(termsOf('a "b c" D'), [['a'], ['b', 'c'], ['d']]);
  assert.deepEqual(hits('The Invoice, invoices and INVOICE.', 'invoice'), ['Invoice', 'INVOICE']);
  assert.deepEqual(hits('my invoice; the invoice', '"the invoice"'), ['the', 'invoice']);
  assert.deepEqual(hits('Ｈｅｌｌｏ Straße élan', 'hello straße ÉLAN'), ['Ｈｅｌｌｏ', 'Straße', 'élan']);
  assert.deepEqual(hits('<b>bold</b>', 'b'), ['b', 'b']);
  assert.deepEqual(marked('nothing', ''), [{ text: 'nothing', hit: false }]);
  assert.equal(whole('… late: the invoice …', 'late invoice'), '… late: the invoice …');
});

test('opening hours are said, and closed days kept in order', () => {
  const at = (support) => stateOf(support, Date.parse('2026-03-02T10:00:00Z'), 'en-GB', 'UTC');
  assert.equal(at({ open: true }), 'Open, at all times.');
  assert.equal(at({ open: true, closes_at: '2026-03-02T17:00:00Z' }), 'Open now; closes at 17:00.');
  assert.equal(at({ open: false, opens_at: '2026-03-03T09:00:00Z' }), 'Closed now; opens tomorrow at 09:00.');
  assert.equal(at({ open: false }), 'Closed until further notice.');
  assert.deepEqual(addDay(['2026-12-25'], '2026-05-01'), ['2026-05-01', '2026-12-25']);
  assert.deepEqual(addDay(['2026-12-25'], '2026-12-25'), ['2026-12-25']);
  assert.deepEqual(addDay([], 'tomorrow'), []);
});

test('in scripts without spaces a word is found as a phrase of letters', () => {
  const hits = (text, q) => marked(text, q).filter((part) => part.hit).map((part) => part.text).join('');
  assert.equal(hits('私の請求書です', '請求書'), '請求書');
  assert.equal(hits('求める', '請求'), '');
  assert.equal(hits('STRASSE', 'straße'), 'STRASSE');
  assert.equal(hits('user@host and user', 'user@host'), 'userhost');
});
