// Formats times for people. Pure: the clock and the locale are arguments, so that
// tests can set them.

const MINUTE = 60_000;
const DAY = 86_400_000;

/** span formats a duration: "12 s", "4 min", "3 h 5 min", "2 d". */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
  return `${Math.floor(minutes / 1440)} d`;
}

/** ago formats a duration more coarsely, for lists: "now", "4 min", "3 h", "2 d". */
export function ago(time, now = Date.now()) {
  const minutes = Math.floor((now - Date.parse(time)) / MINUTE);
  if (!(minutes >= 1)) return 'now';
  if (minutes < 60) return `${minutes} min`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/** moment formats a past or future time as precisely as its distance allows: "at 14:00", "tomorrow at 09:00", "on Monday at 09:00", "on 3 March at 09:00". */
export function moment(time, now = Date.now(), locale = undefined, timeZone = undefined) {
  const then = new Date(time);
  if (Number.isNaN(then.getTime())) return '';
  const clock = then.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit', timeZone });
  const days = Math.round((midnight(then, timeZone) - midnight(new Date(now), timeZone)) / DAY);
  if (days === 0) return `at ${clock}`;
  if (days === 1) return `tomorrow at ${clock}`;
  if (days === -1) return `yesterday at ${clock}`;
  if (days > 1 && days < 7) return `on ${then.toLocaleDateString(locale, { weekday: 'long', timeZone })} at ${clock}`;
  const year = Math.abs(days) > 180 ? 'numeric' : undefined;
  return `on ${then.toLocaleDateString(locale, { day: 'numeric', month: 'long', year, timeZone })} at ${clock}`;
}

/** clock formats the time of day, for the side of a line. */
export const clock = (time, locale = undefined, timeZone = undefined) => {
  const then = new Date(time);
  return Number.isNaN(then.getTime()) ? '' : then.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit', timeZone });
};

/** day formats the day of a time: "Today", "Yesterday", "Monday 2 March", with the year if it is not the current one. */
export function day(time, now = Date.now(), locale = undefined, timeZone = undefined) {
  const then = new Date(time);
  if (Number.isNaN(then.getTime())) return '';
  const days = Math.round((midnight(then, timeZone) - midnight(new Date(now), timeZone)) / DAY);
  if (days === 0) return 'Today';
  if (days === -1) return 'Yesterday';
  const sameYear = then.toLocaleDateString('en', { year: 'numeric', timeZone }) === new Date(now).toLocaleDateString('en', { year: 'numeric', timeZone });
  return then.toLocaleDateString(locale, { weekday: 'long', day: 'numeric', month: 'long', year: sameYear ? undefined : 'numeric', timeZone });
}

// midnight returns the day's number in its time zone, as if it were a UTC day, so
// that days can be subtracted across daylight saving changes.
function midnight(date, timeZone) {
  const parts = new Intl.DateTimeFormat('en-CA', { year: 'numeric', month: '2-digit', day: '2-digit', timeZone }).format(date);
  return Date.parse(`${parts}T00:00:00Z`);
}

/** plural: plural(1, 'note') is "1 note", plural(2, 'note') "2 notes". */
export const plural = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
