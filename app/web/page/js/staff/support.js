// When staff is there for users: what the server keeps, and how it is said. No DOM.

import { moment } from '../time.js';

/** stateOf says whether support is open now, and until or from when. */
export function stateOf({ open, opens_at: opens, closes_at: closes }, now = Date.now(), locale = undefined, timeZone = undefined) {
  if (open) return closes ? `Open now; closes ${moment(closes, now, locale, timeZone)}.` : 'Open, at all times.';
  return opens ? `Closed now; opens ${moment(opens, now, locale, timeZone)}.` : 'Closed until further notice.';
}

/** addDay puts a day into a sorted list of YYYY-MM-DD, once; what is no day leaves it as it is. */
export function addDay(days, day) {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day) || days.includes(day)) return days;
  return [...days, day].sort();
}
