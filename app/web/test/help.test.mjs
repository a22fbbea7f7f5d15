import test from 'node:test';
import assert from 'node:assert/strict';
import { Help, words } from '../page/js/help.js';
import { Rating } from '../page/js/rating.js';
import { ago, moment, plural, span } from '../page/js/time.js';

const told = (event, more = {}) => ({ type: 'notification', session_id: 's', metadata: { event, ...more } });
const confirmed = (more = {}) => ({ type: 'connection_status', session_id: 's', content: 'Help request sent.', metadata: { available: 'true', reason: 'open', position: '2', waiting: '5', ...more } });
const NOW = Date.parse('2026-03-02T10:00:00Z'); // a Monday
const said = (help) => words(help.state, NOW, 'en-GB', 'UTC');

test('a place in the queue is told, and falls', () => {
  const help = new Help();
  assert.equal(said(help), '');
  assert.equal(help.hear(confirmed()), true);
  assert.equal(said(help), 'You are number 2 of 5 in the queue.');
  assert.equal(help.hear(told('queue_position', { position: '1', waiting: '4' })), true);
  assert.equal(said(help), 'You are next in the queue.');
  assert.equal(help.hear({ type: 'admin_join', metadata: { admin_id: 'sam' } }), true);
  assert.equal(said(help), '');
  assert.equal(help.hear({ type: 'admin_leave' }), false, 'nothing to take back');
});

test('a greeting of the socket and other notifications say nothing of a queue', () => {
  const help = new Help();
  assert.equal(help.hear({ type: 'connection_status', metadata: { connection_id: 'c' } }), false);
  assert.equal(help.hear(told('rating_requested')), false);
  assert.equal(said(help), '');
});

test('nobody there: the away message, when it opens, and that the request is kept', () => {
  const help = new Help();
  help.learn({ requested: true, waiting: true, position: 1, available: false, reason: 'closed', message: 'We sleep.', opens_at: '2026-03-03T09:00:00Z' });
  assert.equal(said(help), 'We sleep. Support opens again tomorrow at 09:00. Your request is kept; you are first in the queue.');
  help.learn({ requested: true, waiting: true, available: false, reason: 'nobody' });
  assert.equal(said(help), 'Nobody of our staff is here just now. Your request is kept.');
  help.hear(told('queue_position', { position: '3', waiting: '3' }));
  assert.match(said(help), /^Nobody of our staff .* You are number 3 of 3 in the queue\.$/);
  help.learn({ requested: false, waiting: false, available: true });
  assert.equal(said(help), '');
});

test('the confirmation brings the away message with it; a place beyond counting is said so', () => {
  const help = new Help();
  help.hear({ ...confirmed({ available: 'false', reason: 'nobody' }), content: 'Help request sent. Back at nine.' });
  assert.equal(said(help), 'Back at nine. You are number 2 of 5 in the queue.');
  help.hear(told('queue_position', { position: '1000', position_exact: 'false', waiting: '4000' }));
  assert.equal(said(help), 'Back at nine. More than 999 are before you in the queue.');
});

test('who reads along is told, and that it is over', () => {
  const help = new Help();
  assert.equal(help.hear(told('watched')), true);
  assert.equal(help.watched, true);
  help.hear(told('unwatched'));
  assert.equal(help.watched, false);
});

test('a rating is asked for once, put off until the page is new, and asked again after a new talk', () => {
  const rating = new Rating();
  assert.equal(rating.asks, false);
  assert.equal(rating.hear(told('rating_requested', { admin_name: 'Sam' })), true);
  assert.deepEqual([rating.asks, rating.question], [true, 'How was the talk with Sam?']);
  rating.putOff();
  rating.learn({ requested: true, admin_name: 'Sam' });
  assert.equal(rating.asks, false, 'put off is put off, also after a reconnect');
  rating.hear(told('rating_requested', { admin_name: 'Kim' }));
  assert.equal(rating.asks, true);
  rating.gave({ score: 4 });
  assert.deepEqual([rating.asks, rating.given.score], [false, 4]);
});

test('a rating that was asked for is not, while a person speaks again', () => {
  const rating = new Rating();
  rating.learn({ requested: true });
  assert.deepEqual([rating.asks, rating.question], [true, 'How was the talk?']);
  assert.equal(rating.hear({ type: 'admin_join' }), true);
  assert.equal(rating.asks, false);
});

test('times as people say them', () => {
  const day = (time) => moment(time, NOW, 'en-GB', 'UTC');
  assert.deepEqual([0, 59_000, 61_000, 3_600_000, 3_900_000, 180_000_000, -5].map(span), ['0 s', '59 s', '1 min', '1 h', '1 h 5 min', '2 d', '0 s']);
  assert.equal(day('2026-03-02T14:30:00Z'), 'at 14:30');
  assert.equal(day('2026-03-01T14:30:00Z'), 'yesterday at 14:30');
  assert.equal(day('2026-03-08T09:00:00Z'), 'on Sunday at 09:00');
  assert.equal(day('2026-03-09T09:00:00Z'), 'on 9 March at 09:00');
  assert.equal(day('2027-03-09T09:00:00Z'), 'on 9 March 2027 at 09:00');
  assert.equal(day('no time'), '');
  // The night in which the clocks change has one midnight less an hour.
  assert.equal(moment('2026-03-29T12:00:00Z', Date.parse('2026-03-28T20:00:00Z'), 'en-GB', 'Europe/Berlin'), 'tomorrow at 14:00');
  assert.deepEqual(['2026-03-02T09:59:30Z', '2026-03-02T09:00:00Z', '2026-02-27T10:00:00Z', ''].map((time) => ago(time, NOW)), ['now', '1 h', '3 d', 'now']);
  assert.deepEqual([plural(1, 'note'), plural(0, 'note')], ['1 note', '0 notes']);
});

test('whoever holds the conversation is not also said to read along', () => {
  const help = new Help();
  help.hear(told('watched'));
  const open = { holder: null, ended: false };
  assert.equal(help.readAlong(open), true);
  assert.equal(help.readAlong({ ...open, holder: { id: 'sam', name: 'Sam' } }), false);
  assert.equal(help.readAlong(open), true, 'the conversation was handed back, and they read on');
  assert.equal(help.readAlong({ ...open, ended: true }), false);
});
