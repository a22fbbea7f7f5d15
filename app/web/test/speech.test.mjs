import test from 'node:test';
import assert from 'node:assert/strict';
import { APIError } from '../page/js/api.js';
import { Speech } from '../page/js/speech.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

// ---- what a page has, as far as a button needs it ----

class FakeNode extends EventTarget {
  constructor(tag) {
    super();
    Object.assign(this, { tag, dataset: {}, attributes: {}, children: [], hidden: false, text: '' });
  }

  get firstChild() {
    const [first] = this.children;
    return { replaceWith: (node) => { this.children[0] = node; }, first };
  }

  get textContent() {
    return this.text + this.children.map((child) => child.textContent ?? child).join('');
  }

  set textContent(text) {
    this.children = [];
    this.text = text;
  }

  append(...children) {
    this.children.push(...children);
  }

  setAttribute(name, value) {
    if (name === 'hidden') this.hidden = true;
    this.attributes[name] = value;
  }

  click() {
    this.dispatchEvent(new Event('click'));
  }
}

globalThis.document = { createElement: (tag) => new FakeNode(tag), createElementNS: (_, tag) => new FakeNode(tag) };

class FakeSound extends EventTarget {
  paused = true;

  async play() {
    this.paused = false;
  }

  pause() {
    this.paused = true;
  }
}

function scene({ exists = true, answer = async () => ({ blob: async () => new Blob(['sound']) }) } = {}) {
  const calls = [];
  const sounds = [];
  const api = { call: async (method, path, { signal } = {}) => {
    calls.push(`${method} ${path}`);
    if (method === 'GET') throw new APIError(exists ? 405 : 404, '', 'no');
    return answer(signal);
  } };
  const speech = new Speech(api, { sound: () => (sounds.push(new FakeSound()), sounds.at(-1)) });
  const add = (id) => {
    const node = speech.node('s 1', id);
    const [button, trouble] = node.children;
    return { node, button, trouble };
  };
  return { speech, calls, sounds, add };
}

test('the button is there only if the server speaks, which is asked once', async () => {
  const with_ = scene();
  const { node } = with_.add('ans_1');
  assert.equal(node.hidden, true);
  await settled();
  assert.equal(node.hidden, false);
  with_.add('ans_2');
  await settled();
  assert.deepEqual(with_.calls, ['GET sessions/none/messages/none/speech']);
  const without = scene({ exists: false });
  const other = without.add('ans_1');
  await settled();
  assert.equal(other.node.hidden, true);
});

test('an answer is loaded, played and stopped, and the button says which', async () => {
  const { add, calls, sounds } = scene();
  const { button } = add('ans_1');
  assert.equal(button.attributes['aria-label'], 'Listen to the answer');
  button.click();
  assert.equal(button.dataset.state, 'loading');
  assert.equal(button.attributes['aria-busy'], 'true');
  await settled();
  assert.equal(button.dataset.state, 'playing');
  assert.equal(sounds[0].paused, false);
  assert.ok(calls.includes('POST sessions/s%201/messages/ans_1/speech'));
  button.click();
  assert.equal(button.dataset.state, 'idle');
  assert.equal(sounds[0].paused, true);
  assert.equal(sounds.length, 1);
});

test('one answer plays at a time, and none after its end or another conversation', async () => {
  const { add, sounds, speech } = scene();
  const [one, two] = [add('ans_1'), add('ans_2')];
  one.button.click();
  await settled();
  two.button.click();
  await settled();
  assert.deepEqual([one.button.dataset.state, two.button.dataset.state], ['idle', 'playing']);
  assert.equal(sounds[0].paused, true);
  sounds[1].dispatchEvent(new Event('ended'));
  assert.equal(two.button.dataset.state, 'idle');
  one.button.click();
  await settled();
  speech.hush();
  assert.equal(one.button.dataset.state, 'idle');
});

test('a failure is told and may be tried again; a cancel is no failure', async () => {
  let refuse = true;
  const { add } = scene({ answer: async (signal) => {
    if (refuse) throw new APIError(503, 'LLM_UNAVAILABLE', 'The answer could not be spoken.');
    return { blob: () => new Promise((_, reject) => { signal.addEventListener('abort', () => reject(signal.reason)); }) };
  } });
  const { button, trouble } = add('ans_1');
  button.click();
  await settled();
  assert.equal(trouble.textContent, 'The answer could not be spoken.');
  assert.equal(button.dataset.state, 'idle');
  refuse = false;
  button.click();
  assert.equal(trouble.textContent, '');
  await settled();
  button.click();
  await settled();
  assert.equal(button.dataset.state, 'idle');
  assert.equal(trouble.textContent, '');
});
