import test from 'node:test';
import assert from 'node:assert/strict';
import { directionOf, inText, plainName } from '../page/js/names.js';

test('an ordinary name is shown as it is', () => {
  for (const name of ['Ada Lovelace', 'José O’Neill', 'דוד', 'علی‌رضا', '山田 太郎', 'नि‍', '👩‍👩‍👧', '❤️', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', 'ﺎﻟ', '$1 & <b>']) assert.equal(plainName(name), name);
});

test('what is invisible in a name is shown, or taken out where it is harmless', () => {
  assert.equal(plainName('ad\u0000min'), 'ad�min');
  assert.equal(plainName('ad\u200Dmin'), 'ad�min');
  assert.equal(plainName('Sam\u{E0041}'), 'Sam�');
  assert.equal(plainName('nimda\u202E'), 'nimda�');
  assert.equal(plainName('\u2066a\u2069\u200Bb\uFEFFc\u00ADd\u3164'), '�a��b�c�d�');
  assert.equal(plainName('a\u001B[31mb\u007F\u009F'), 'a�[31mb��');
  assert.equal(plainName(' two\r\n\tlines\u2028three '), 'two lines three');
  assert.equal(plainName('\u200Fדוד\u200E'), 'דוד');
  assert.equal(plainName('\uD800x\uDC00😀'), '�x�😀');
  assert.deepEqual([undefined, null, '', 7].map(plainName), ['', '', '', '7']);
});

test('a name in a sentence is isolated only where it would turn the sentence', () => {
  assert.equal(inText('Ada'), 'Ada');
  assert.equal(inText('דוד'), '\u2068דוד\u2069');
  assert.equal(inText('Ada \u202E דוד'), '\u2068Ada � דוד\u2069');
});

test('a text runs as its first letter does', () => {
  assert.deepEqual(['1. שלום a', '- مرحبا', 'a שלום', '日本', '123 ()', ''].map(directionOf), ['rtl', 'rtl', 'ltr', 'ltr', null, null]);
});
