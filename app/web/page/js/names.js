// Displays names chosen by people so that none can pass for another or affect the
// text around it. Pure.

// Directional marks are harmless inside an isolated name, and some names contain
// them.
const MARKS = /[\u061C\u200E\u200F]/g;
const SPACES = /[\t-\r\u0085\u2028\u2029]+/g;
// Invisible characters and those that change the direction of what follows:
// controls, bidi overrides and isolates, zero-width characters, fillers. Joiners
// are kept because Persian, Indic scripts and emoji need them, and so are
// variation selectors.
const UNSEEN = /[\p{Cc}\u00AD\u034F\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B\u202A-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF0-\uFFFB]/gu;
const LONE = /\p{Cs}/gu;
const JOINED_LATIN = /(\p{sc=Latin})[\u200C\u200D]+/gu; // Latin letters need no joiners
const TAGS = /(\u{1F3F4}[\u{E0030}-\u{E0039}\u{E0061}-\u{E007A}]+\u{E007F})|[\u{E0000}-\u{E007F}]/gu; // valid in flags only
const RIGHT_TO_LEFT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFF\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u;

/** plainName returns a name for display: on one line, with invisible characters replaced by "�". */
export function plainName(name) {
  return String(name ?? '').replace(LONE, '�').replace(SPACES, ' ').replace(MARKS, '')
    .replace(UNSEEN, '�').replace(JOINED_LATIN, '$1�').replace(TAGS, (all, flag) => flag ?? '�').trim();
}

/** directionOf returns a text's direction from its first letter: 'rtl', 'ltr', or null without a letter. */
export function directionOf(text) {
  const letter = /\p{L}/u.exec(text)?.[0];
  return letter ? (RIGHT_TO_LEFT.test(letter) ? 'rtl' : 'ltr') : null;
}

/** inText returns a name for a sentence without markup: a title, a placeholder, a label. It adds bidi isolation if needed. */
export function inText(name) {
  const plain = plainName(name);
  return RIGHT_TO_LEFT.test(plain) ? `\u2068${plain}\u2069` : plain;
}
