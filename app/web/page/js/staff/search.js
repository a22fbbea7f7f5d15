// The search for conversations: the query, and the matching words of an excerpt.
// No DOM.

const FIELDS = ['q', 'user_id', 'name', 'tag', 'status', 'from', 'to'];

/** searchOf returns the query of a form, or '' for an empty form. */
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

/** termsOf returns the words and "phrases" of a search, each as a list of words folded by the server's rules. */
export function termsOf(q) {
  const terms = [];
  for (const [, phrase, word] of q.matchAll(/"([^"]*)"|([^\s"]+)/g)) {
    const words = split(phrase ?? word).map((one) => one.folded);
    if (words.length) terms.push(words);
  }
  return terms;
}

/** marked splits a text into [{text, hit}]. Hits are whole words, or phrases of adjacent words. */
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

// In scripts without spaces between words each letter, with its marks, is a word.
const WORD = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]\p{M}*|(?:(?![\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}])[\p{L}\p{N}]\p{M}*)+/gu;

function split(text) {
  return [...text.matchAll(WORD)].map(({ 0: word, index }) => ({ from: index, to: index + word.length, folded: fold(word) }));
}

// Upper case first, which makes ß equal ss, as the server's folding does.
const fold = (word) => word.normalize('NFKC').toUpperCase().toLowerCase();
