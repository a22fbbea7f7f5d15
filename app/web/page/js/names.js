// Names that people chose: shown so that none of them can pass for another, or turn the text around it. Pure.

// Marks of direction do no harm inside an isolated name, and some names are typed with them.
const MARKS = /[\u061C\u200E\u200F]/g;
const SPACES = /[\t-\r\u0085\u2028\u2029]+/g;
// What cannot be seen, or turns what follows: controls, overrides and isolates of direction, letters of no width, fillers.
// The joiners stay, which Persian, Indic scripts and emoji need; so do the selectors of a glyph's form.
const UNSEEN = /[\p{Cc}\u00AD\u034F\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B\u202A-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF0-\uFFFB]/gu;
const LONE = /\p{Cs}/gu;
const JOINED_LATIN = /(\p{sc=Latin})[\u200C\u200D]+/gu; // no script of these letters joins
const TAGS = /(\u{1F3F4}[\u{E0030}-\u{E0039}\u{E0061}-\u{E007A}]+\u{E007F})|[\u{E0000}-\u{E007F}]/gu; // of use in flags alone
const RIGHT_TO_LEFT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFF\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u;

/** plainName is a name as it may be shown: on one line, with what is invisible in it made visible as "�". */
export function plainName(name) {
  return String(name ?? '').replace(LONE, '�').replace(SPACES, ' ').replace(MARKS, '')
    .replace(UNSEEN, '�').replace(JOINED_LATIN, '$1�').replace(TAGS, (all, flag) => flag ?? '�').trim();
}

/** directionOf is how a text runs, by its first letter: 'rtl', 'ltr', or null without one. */
export function directionOf(text) {
  const letter = /\p{L}/u.exec(text)?.[0];
  return letter ? (RIGHT_TO_LEFT.test(letter) ? 'rtl' : 'ltr') : null;
}

/** inText is a name within a sentence where no element can be: a title, a placeholder, a label. It is isolated where it has to be. */
export function inText(name) {
  const plain = plainName(name);
  return RIGHT_TO_LEFT.test(plain) ? `\u2068${plain}\u2069` : plain;
}
