// The opening hours: the server's settings and their text. No DOM.

import { moment } from '../time.js';

/** stateOf returns the text that says whether support is open, and until or from when. */
export function stateOf({ open, opens_at: opens, closes_at: closes }, now = Date.now(), locale = undefined, timeZone = undefined) {
  if (open) return closes ? `Open now; closes ${moment(closes, now, locale, timeZone)}.` : 'Open, at all times.';
  return opens ? `Closed now; opens ${moment(opens, now, locale, timeZone)}.` : 'Closed until further notice.';
}

/** addDay adds a day to a sorted list of YYYY-MM-DD without duplicates. An invalid day is ignored. */
export function addDay(days, day) {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day) || days.includes(day)) return days;
  return [...days, day].sort();
}
