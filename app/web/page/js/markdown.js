// Parses Markdown as models write it into a tree. No DOM: markdown-view.js builds
// nodes from the tree, as text only.
//
// Every step is linear or bounded: nesting is limited, and a failed search for a
// closing mark is not repeated.

const DEEPEST = 8;
const LONGEST_LINK = 2000; // maximum length of a label and of an address, in characters
const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?:( +)(.*))?$/;
const TASK = /^\[([ xX])\] /;

/** parse returns the blocks of a text. Each has its source in `raw`, so that a view rebuilds only changed blocks. */
export function parse(text) {
  return blocks(text.replace(/\r\n?/g, '\n').replace(/\t/g, '    ').split('\n'), 0);
}

function blocks(lines, depth) {
  const out = [];
  let i = 0;
  while (i < lines.length) {
    if (lines[i].trim() === '') {
      i += 1;
      continue;
    }
    const from = i;
    const block = depth > DEEPEST ? null : fence(lines, i) ?? heading(lines, i) ?? rule(lines, i) ?? quote(lines, i, depth)
      ?? list(lines, i, depth) ?? table(lines, i);
    const found = block ?? paragraph(lines, i, depth);
    i = found.next;
    delete found.next;
    found.raw = lines.slice(from, i).join('\n');
    out.push(found);
  }
  return out;
}

function fence(lines, i) {
  const open = FENCE.exec(lines[i]);
  if (!open) return null;
  const mark = open[1];
  if (mark[0] === '`' && lines[i].slice(open[0].length).includes('`')) return null;
  const indent = lines[i].search(/\S/);
  const body = [];
  for (let j = i + 1; j < lines.length; j += 1) {
    const line = lines[j].trim();
    if (line.length >= mark.length && line === mark[0].repeat(line.length)) {
      return { kind: 'code', lang: open[2], text: body.join('\n'), closed: true, next: j + 1 };
    }
    body.push(lines[j].slice(Math.min(indent, lines[j].search(/\S|$/))));
  }
  return { kind: 'code', lang: open[2], text: body.join('\n'), closed: false, next: lines.length };
}

function heading(lines, i) {
  const match = HEADING.exec(lines[i]);
  if (!match) return null;
  let text = (match[2] ?? '').trim();
  let end = text.length;
  while (end > 0 && text[end - 1] === '#') end -= 1;
  if (end === 0 || text[end - 1] === ' ') text = text.slice(0, end).trim();
  return { kind: 'heading', level: match[1].length, inline: inline(text), next: i + 1 };
}

function rule(lines, i) {
  return RULE.test(lines[i]) ? { kind: 'rule', next: i + 1 } : null;
}

function quote(lines, i, depth) {
  let j = i;
  const body = [];
  while (j < lines.length && QUOTE.test(lines[j])) {
    body.push(lines[j].replace(QUOTE, ''));
    j += 1;
  }
  return j > i ? { kind: 'quote', blocks: blocks(body, depth + 1), next: j } : null;
}

const startOfItem = (line) => (RULE.test(line) ? null : ITEM.exec(line));

function list(lines, i, depth) {
  const first = startOfItem(lines[i]);
  if (!first || first[1].length > 3) return null;
  const ordered = /\d/.test(first[2]);
  const items = [];
  let loose = false;
  let blank = false;
  let j = i;
  while (j < lines.length) {
    const open = startOfItem(lines[j]);
    if (!open || /\d/.test(open[2]) !== ordered || open[1].length > first[1].length + 1) break;
    loose ||= blank;
    const offset = open[1].length + open[2].length + Math.min(open[3]?.length ?? 1, 4);
    const inner = Math.min(offset, open[1].length + 2); // models indent nested lists by two, whatever the marker
    const body = [open[4] ?? ''];
    j += 1;
    blank = false;
    for (; j < lines.length; j += 1) {
      const line = lines[j];
      const indent = line.search(/\S/);
      if (indent < 0) {
        blank = true;
        body.push('');
        continue;
      }
      const another = startOfItem(line);
      if (indent >= inner && (indent >= offset || another)) body.push(line.slice(Math.min(indent, offset)));
      else if (another || blank || opensBlock(line)) break;
      else body.push(line.trim());
      loose ||= blank;
      blank = false;
    }
    while (body.length > 1 && body.at(-1) === '') body.pop();
    const task = TASK.exec(body[0]);
    if (task) body[0] = body[0].slice(task[0].length);
    items.push({ checked: task ? task[1] !== ' ' : null, blocks: blocks(body, depth + 1) });
  }
  return { kind: 'list', ordered, start: ordered ? Number.parseInt(first[2], 10) : 1, loose, items, next: j };
}

const opensBlock = (line) => FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line);

function cells(line) {
  const out = [];
  let cell = '';
  let code = false;
  const text = line.trim().replace(/^\|/, '');
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === '\\' && text[i + 1] === '|') {
      cell += '|';
      i += 1;
    } else if (text[i] === '|' && !code) {
      out.push(cell.trim());
      cell = '';
    } else {
      if (text[i] === '`') code = !code;
      cell += text[i];
    }
  }
  if (cell.trim() !== '' || !text.endsWith('|')) out.push(cell.trim());
  return out;
}

function table(lines, i) {
  if (!lines[i].includes('|') || i + 1 >= lines.length || !lines[i + 1].includes('-')) return null;
  const head = cells(lines[i]);
  const marks = cells(lines[i + 1]);
  if (marks.length !== head.length || !marks.every((mark) => /^:?-+:?$/.test(mark))) return null;
  const align = marks.map((mark) => (mark.endsWith(':') ? (mark.startsWith(':') ? 'center' : 'right') : ''));
  const rows = [];
  let j = i + 2;
  for (; j < lines.length && lines[j].includes('|') && lines[j].trim() !== ''; j += 1) {
    const row = cells(lines[j]);
    rows.push(head.map((_, column) => inline(row[column] ?? '')));
  }
  return { kind: 'table', align, head: head.map((cell) => inline(cell)), rows, next: j };
}

function paragraph(lines, i, depth) {
  let j = i + 1;
  while (j < lines.length && lines[j].trim() !== '') {
    if (depth <= DEEPEST && (opensBlock(lines[j]) || interrupts(lines[j]) || table(lines, j))) break;
    j += 1;
  }
  const text = lines.slice(i, j).map((line) => line.replace(/^ +/, '')).join('\n');
  return { kind: 'paragraph', inline: inline(text.trimEnd()), next: j };
}

// interrupts reports whether a list may begin directly under a line of text: with
// a bullet or with 1.
function interrupts(line) {
  const item = startOfItem(line);
  return Boolean(item) && item[1].length <= 3 && Boolean(item[4]) && (/[-*+]/.test(item[2]) || Number.parseInt(item[2], 10) === 1);
}

// ---- inside a line ----

const WORD = /[\p{L}\p{N}]/u;
const PUNCTUATION = /[!-/:-@[-`{-~]/;
const MARKS = [['***', 'strongem'], ['**', 'strong'], ['__', 'strong'], ['~~', 'del'], ['*', 'em'], ['_', 'em']];
const BARE = /https?:\/\/[^\s<>"`\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]+/y;

/** inline returns strings and {kind: code | strong | em | del | link | break}. */
export function inline(text, depth = 0) {
  const out = [];
  const hopeless = new Set(); // closing marks that are known not to follow
  let plain = '';
  const flush = () => {
    if (plain) out.push(plain);
    plain = '';
  };
  let i = 0;
  while (i < text.length) {
    const found = at(text, i, depth, hopeless);
    if (!found) {
      plain += text[i];
      i += 1;
    } else {
      if (found.node === undefined) plain += found.text;
      else {
        if (found.node.kind === 'break') plain = plain.replace(/ +$/, '');
        flush();
        out.push(found.node);
      }
      i = found.next;
    }
  }
  flush();
  return out;
}

function at(text, i, depth, hopeless) {
  switch (text[i]) {
    case '\\':
      if (text[i + 1] === '\n') return { node: { kind: 'break' }, next: i + 2 };
      return PUNCTUATION.test(text[i + 1] ?? '') ? { text: text[i + 1], next: i + 2 } : null;
    case '\n': return { node: { kind: 'break' }, next: i + 1 };
    case '`': return codeSpan(text, i, hopeless);
    case '*': case '_': case '~': return emphasis(text, i, depth, hopeless);
    case '!': return text[i + 1] === '[' ? link(text, i + 1, depth, hopeless) : null;
    case '[': return link(text, i, depth, hopeless);
    case '<': return angle(text, i);
    case 'h': return bare(text, i);
    default: return null;
  }
}

function codeSpan(text, i, hopeless) {
  let n = 1;
  while (text[i + n] === '`') n += 1;
  const mark = '`'.repeat(n);
  if (!hopeless.has(mark)) {
    for (let j = text.indexOf(mark, i + n); j >= 0; j = text.indexOf(mark, j)) {
      let m = n;
      while (text[j + m] === '`') m += 1;
      if (m === n) {
        let body = text.slice(i + n, j).replace(/\n/g, ' ');
        if (body.length > 2 && body.startsWith(' ') && body.endsWith(' ')) body = body.slice(1, -1);
        return { node: { kind: 'code', text: body }, next: j + n };
      }
      j += m;
    }
    hopeless.add(mark);
  }
  return { text: mark, next: i + n };
}

function emphasis(text, i, depth, hopeless) {
  for (const [mark, kind] of MARKS) {
    if (!text.startsWith(mark, i)) continue;
    const before = text[i - 1] ?? ' ';
    const after = text[i + mark.length] ?? ' ';
    if (/\s/.test(after) || (mark[0] === '_' && WORD.test(before)) || hopeless.has(mark) || depth > DEEPEST) continue;
    const end = closing(text, i + mark.length, mark);
    if (end < 0) {
      hopeless.add(mark);
      continue;
    }
    if (end === i + mark.length) continue;
    const children = inline(text.slice(i + mark.length, end), depth + 1);
    const node = kind === 'strongem' ? { kind: 'strong', children: [{ kind: 'em', children }] } : { kind, children };
    return { node, next: end + mark.length };
  }
  let n = 1;
  while (text[i + n] === text[i]) n += 1;
  return { text: text.slice(i, i + n), next: i + n };
}

function closing(text, from, mark) {
  for (let j = from; j < text.length; j += 1) {
    if (text[j] === '\\') j += 1;
    else if (text[j] === mark[0]) {
      let n = 1;
      while (text[j + n] === mark[0]) n += 1;
      const fits = mark.length === 1 ? n % 2 === 1 : n >= mark.length;
      const at = j + n - mark.length;
      if (fits && !/\s/.test(text[j - 1] ?? ' ') && !(mark[0] === '_' && WORD.test(text[j + n] ?? ' '))) return at;
      j += n - 1;
    }
  }
  return -1;
}

function link(text, i, depth, hopeless) {
  if (hopeless.has(']') || depth > DEEPEST) return null;
  let level = 0;
  let j = i;
  for (; j < text.length && j - i < LONGEST_LINK; j += 1) {
    if (text[j] === '\\') j += 1;
    else if (text[j] === '[') level += 1;
    else if (text[j] === ']' && --level === 0) break;
  }
  if (j >= text.length) {
    hopeless.add(']');
    return null;
  }
  if (text[j] !== ']' || level > 0 || text[j + 1] !== '(') return null;
  let k = j + 2;
  for (level = 1; k < text.length && text[k] !== '\n' && k - j < LONGEST_LINK; k += 1) {
    if (text[k] === '(') level += 1;
    else if (text[k] === ')' && --level === 0) break;
  }
  if (text[k] !== ')') return null;
  const target = text.slice(j + 2, k).trim().split(/\s/)[0].replace(/^<|>$/g, '');
  const href = safeURL(target);
  if (!href) return null; // a refused link stays as written, so that the reader sees it
  const label = text.slice(i + 1, j);
  return { node: { kind: 'link', href, children: label ? unlinked(inline(label, depth + 1)) : [target] }, next: k + 1 };
}

// unlinked removes links inside a link's text, because links cannot be nested.
function unlinked(nodes) {
  return nodes.flatMap((node) => {
    if (typeof node === 'string' || !node.children) return [node];
    return node.kind === 'link' ? unlinked(node.children) : [{ ...node, children: unlinked(node.children) }];
  });
}

function angle(text, i) {
  const match = /^<(https?:\/\/[^\s<>]{1,2000})>/.exec(text.slice(i, i + 2010));
  const href = match && safeURL(match[1]);
  return href ? { node: { kind: 'link', href, children: [match[1]] }, next: i + match[0].length } : null;
}

function bare(text, i) {
  if (WORD.test(text[i - 1] ?? ' ')) return null;
  BARE.lastIndex = i;
  const match = BARE.exec(text);
  if (!match) return null;
  let end = match[0].length;
  while (end > 0) {
    const last = match[0][end - 1];
    const body = match[0].slice(0, end);
    if (/[.,;:!?'*_~\]]/.test(last) || (last === ')' && body.split(')').length > body.split('(').length)) end -= 1;
    else break;
  }
  const shown = match[0].slice(0, end);
  const href = safeURL(shown);
  return href ? { node: { kind: 'link', href, children: [shown] }, next: i + end } : null;
}

/** safeURL returns http and https URLs unchanged, and '' for everything else. */
export function safeURL(text) {
  if (!/^https?:\/\//i.test(text)) return '';
  try {
    const url = new URL(text);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : '';
  } catch {
    return '';
  }
}

const NAMED = /^(?:[a-z][a-z+.-]*:\/\/)?(?:[^\s/?#@]*@)?((?:[\p{L}\p{N}_-]+[.．。])+[\p{L}\p{N}-]{2,})(?=[:/?#@\s]|$)/iu;

/** elsewhere returns the host of an address if the link's text names another host, else ''. */
export function elsewhere(text, href) {
  const plain = text.normalize('NFKC').replace(/\p{Cf}/gu, '').trim();
  const named = NAMED.exec(plain)?.[1];
  const turned = /[\u202A-\u202E\u2066-\u2069]/.test(text); // bidi overrides can make the text look like any host
  if (!named && !turned) return '';
  const { hostname } = new URL(href);
  if (!turned) {
    const said = safeURL(`https://${named}`);
    const same = said && new URL(said).hostname.replace(/^www\./, '') === hostname.replace(/^www\./, '');
    if (same) return '';
  }
  return hostname;
}
