// Looking for conversations: what is asked of the server, and which words of an excerpt were found. No DOM.

const FIELDS = ['q', 'user_id', 'name', 'tag', 'status', 'from', 'to'];

/** searchOf is the query of what was filled in, or '' when nothing was. */
export function searchOf(form, cursor = '') {
  const query = new URLSearchParams();
  for (const name of FIELDS) {
    const value = (form[name] ?? '').trim();
    if (value) query.set(name, value);
  }
  if (query.size === 0) return '';
  query.set('limit', '25');
  if (cursor) query.set('cursor', cursor);
  return query.toString();
}

/** termsOf are the words and "phrases" of a search, each a list of words, folded as the server folds them. */
export function termsOf(q) {
  const terms = [];
  for (const [, phrase, word] of q.matchAll(/"([^"]*)"|([^\s"]+)/g)) {
    const words = split(phrase ?? word).map((one) => one.folded);
    if (words.length) terms.push(words);
  }
  return terms;
}

/** marked cuts a text into [{text, hit}]: whole words only, a phrase only where its words follow each other. */
export function marked(text, q) {
  const words = split(text);
  const hits = new Set();
  for (const term of termsOf(q)) {
    for (let at = 0; at + term.length <= words.length; at += 1) {
      if (term.every((word, i) => words[at + i].folded === word)) term.forEach((_, i) => hits.add(at + i));
    }
  }
  const parts = [];
  let done = 0;
  const put = (from, to, hit) => {
    if (from < to) parts.push({ text: text.slice(from, to), hit });
  };
  words.forEach(({ from, to }, i) => {
    if (!hits.has(i)) return;
    put(done, from, false);
    put(from, to, true);
    done = to;
  });
  put(done, text.length, false);
  return parts;
}

// In scripts that put no space between words each letter is a word, with its marks.
const WORD = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]\p{M}*|(?:(?![\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}])[\p{L}\p{N}]\p{M}*)+/gu;

function split(text) {
  return [...text.matchAll(WORD)].map(({ 0: word, index }) => ({ from: index, to: index + word.length, folded: fold(word) }));
}

// Upper case first: that makes ß and ss one, as the folding of the server does.
const fold = (word) => word.normalize('NFKC').toUpperCase().toLowerCase();
