import test from 'node:test';
import assert from 'node:assert/strict';
import { inline, parse, elsewhere, safeURL } from '../page/js/markdown.js';
import { tokens } from '../page/js/highlight.js';

const kinds = (text) => parse(text).map((block) => block.kind);
const plain = (nodes) => nodes.map((node) => (typeof node === 'string' ? node : node.text ?? (node.children ? plain(node.children) : '\n'))).join('');
const links = (nodes) => nodes.flatMap((node) => (typeof node === 'string' ? [] : [...(node.kind === 'link' ? [node.href] : []), ...links(node.children ?? [])]));

test('blocks', () => {
  assert.deepEqual(kinds('# A\n\ntext\nmore\n\n- a\n- b\n\n1. x\n\n> q\n\n---\n\n```go\nx\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |'),
    ['heading', 'paragraph', 'list', 'list', 'quote', 'rule', 'code', 'table']);
  assert.deepEqual(kinds(''), []);
  assert.deepEqual(kinds('text\n# heading\ntext\n- item'), ['paragraph', 'heading', 'paragraph', 'list']);
});

test('a code block keeps every byte, closed or still streaming', () => {
  const [block] = parse('```js\n  a < b\n\n\n**not bold**\n```\n');
  assert.deepEqual([block.lang, block.text, block.closed], ['js', '  a < b\n\n\n**not bold**', true]);
  const [open] = parse('```\nstill');
  assert.deepEqual([open.text, open.closed], ['still', false]);
  assert.equal(parse('````\n```\ninner\n```\n````')[0].text, '```\ninner\n```');
});

test('lists nest, continue, number and tick', () => {
  const [list] = parse('3. three\n   more\n   - inner\n     - deepest\n4. four');
  assert.deepEqual([list.ordered, list.start, list.items.length], [true, 3, 2]);
  assert.equal(list.items[0].blocks[1].items[0].blocks[1].items.length, 1);
  const [lenient] = parse('1. one\n  - nested by two\n2. two');
  assert.equal(lenient.items.length, 2);
  const [tasks] = parse('- [x] done\n- [ ] open\n- plain');
  assert.deepEqual(tasks.items.map((item) => item.checked), [true, false, null]);
  const [code] = parse('- item\n\n  ```go\n  x := 1\n  ```');
  assert.equal(code.items[0].blocks[1].text, 'x := 1');
});

test('tables keep their columns', () => {
  const [table] = parse('| a | b \\| c |\n|:--|--:|\n| `x|y` |\n| 1 | 2 | 3 |');
  assert.deepEqual(table.align, ['', 'right']);
  assert.equal(plain(table.head[1]), 'b | c');
  assert.deepEqual(table.rows.map((row) => row.length), [2, 2]);
  assert.equal(plain(table.rows[0][0]), 'x|y');
  assert.deepEqual(kinds('a | b\nnot a table'), ['paragraph']);
});

test('inline marks', () => {
  assert.deepEqual(inline('a **b *c* d** `e*f*`'), ['a ', { kind: 'strong', children: ['b ', { kind: 'em', children: ['c'] }, ' d'] }, ' ', { kind: 'code', text: 'e*f*' }]);
  assert.deepEqual(inline('snake_case_name and 2 * 3 * 4'), ['snake_case_name and 2 * 3 * 4']);
  assert.deepEqual(inline('~~gone~~'), [{ kind: 'del', children: ['gone'] }]);
  assert.deepEqual(inline('***both***'), [{ kind: 'strong', children: [{ kind: 'em', children: ['both'] }] }]);
  assert.equal(plain(inline('open **and never closed')), 'open **and never closed');
  assert.equal(plain(inline('\\*literal\\*')), '*literal*');
  assert.deepEqual(inline('``a`b``'), [{ kind: 'code', text: 'a`b' }]);
});

test('only http and https become links', () => {
  assert.deepEqual(links(inline('[a](https://x.org/a_(b)) <http://y.org> https://z.org/p?q=1).')), ['https://x.org/a_(b)', 'http://y.org/', 'https://z.org/p?q=1']);
  for (const href of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:x', 'data:text/html,x', 'vbscript:x', '//host/x', '/path', 'java\tscript:x', 'file:///etc/passwd', 'https:javascript', '\u0001javascript:x']) {
    assert.equal(safeURL(href), '', href);
    assert.deepEqual(links(inline(`[x](${href}) ![y](${href}) <${href}>`)), [], href);
  }
  assert.equal(plain(inline('[x](javascript:alert(1))')), '[x](javascript:alert(1))');
  assert.ok(!safeURL('https://x.org/"><img src=x>').includes('"'));
});

test('a link holds marks, and no other link', () => {
  const [link] = inline('[a **b** https://in.org [c](https://d.org)](https://e.org)');
  assert.equal(link.href, 'https://e.org/');
  assert.deepEqual(links([link]), ['https://e.org/']);
  assert.equal(link.children[1].kind, 'strong');
});

test('raw HTML is text', () => {
  const text = '<script>alert(1)</script> <b onclick=x>y</b>';
  assert.equal(plain(parse(text)[0].inline), text);
});

test('a link whose text names another place says where it leads', () => {
  const to = 'https://evil.example/login';
  for (const text of ['https://bank.example', 'bank.example', 'www.bank.example/login', 'BANK.example sign in', 'https://bank.example@x', 'bank．example', 'b\u200Bank.example', 'moc.live\u202E']) {
    assert.equal(elsewhere(text, to), 'evil.example', text);
  }
  for (const text of ['sign in here', 'https://evil.example', 'evil.example/login', 'www.evil.example', 'The end. Next', 'version 2', '', '3.5']) assert.equal(elsewhere(text, to), '', text);
  assert.equal(elsewhere('bücher.example', 'https://xn--bcher-kva.example/'), '');
});

test('a bare address ends where the direction of writing is turned', () => {
  assert.deepEqual(links(inline('see https://a.org/x\u202Egro.b//:sptth')), ['https://a.org/x']);
});

test('a growing text never changes what is finished', () => {
  const text = '# T\n\none **two** three\n\n- a\n- b\n\n```go\nx\n```\n\nlast';
  const whole = parse(text);
  for (let n = 0; n <= text.length; n += 1) {
    const part = parse(text.slice(0, n));
    for (const [i, block] of part.slice(0, -1).entries()) assert.equal(block.raw.trimEnd(), whole[i].raw.trimEnd(), `at ${n}`);
  }
});

// What grows faster than its input would not end within the runner's bound; no clock is asked here.
test('hostile input comes to an end', () => {
  const n = 20_000;
  for (const text of ['*'.repeat(n), '**a '.repeat(n), '[a]('.repeat(n), '['.repeat(n), `${'['.repeat(n)}${']'.repeat(n)}`, '`a``'.repeat(n), '> '.repeat(n), '- '.repeat(n), '_a '.repeat(n), `|${'-|'.repeat(n)}\n|${'-|'.repeat(n)}`, '![['.repeat(n), '<https://'.repeat(n), '# '.repeat(n), `${' '.repeat(n)}-`, '\\'.repeat(n)]) {
    assert.ok(parse(text).length > 0, text.slice(0, 6));
  }
});

test('coloured code is the same code', () => {
  const code = 'func f() { // "x"\n\treturn `a` + \'\\\'\' + 0x1f /* y */ }\n"open';
  for (const lang of ['go', 'python', 'sql', 'sh', 'unknown', '', 'constructor']) assert.equal(tokens(lang, code).map(({ text }) => text).join(''), code, lang);
  assert.ok(tokens('go', code).some(({ kind }) => kind === 'comment'));
});
