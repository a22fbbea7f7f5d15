// The address bar. A link brings credentials in its fragment, which no browser sends to a server:
//   #token=<jwt>&admin=<jwt>&session=<id>
// They move to this tab's sessionStorage at once; what stays in the address is #session=<id>.

import { isSessionID } from './ids.js';

const KEYS = { token: 'chatbox.token', admin: 'chatbox.admin' };

/** takeLink reads the fragment, stores what is secret and leaves the rest in the address. */
export function takeLink() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  for (const [name, key] of Object.entries(KEYS)) {
    if (fragment.has(name)) sessionStorage.setItem(key, fragment.get(name));
  }
  if (fragment.has('token') && !fragment.has('admin')) sessionStorage.removeItem(KEYS.admin);
  const session = fragment.get('session');
  const brought = fragment.has('token') || fragment.has('admin');
  if (brought) setSession(isSessionID(session) ? session : '');
  return {
    brought,
    token: sessionStorage.getItem(KEYS.token) ?? '',
    admin: sessionStorage.getItem(KEYS.admin) ?? '',
    session: isSessionID(session) ? session : '',
  };
}

/** setSession writes the session into the address without a new page in the history. */
export function setSession(id) {
  history.replaceState(null, '', `${location.pathname}${location.search}${id ? `#session=${id}` : ''}`);
}

/** base is the service's own prefix: the console lives one level below it. */
export const base = () => new URL('../', location.href.split('#')[0]);

/** claimsOf reads what a token was made for, to show it; it proves nothing. An unreadable one has no claims. */
export function claimsOf(token) {
  try {
    const body = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(body), (c) => c.charCodeAt(0)))) ?? {};
  } catch {
    return {};
  }
}

/** userOf is the name a token was made for. */
export function userOf(token) {
  const claims = claimsOf(token);
  return String(claims.name ?? claims.user_id ?? claims.sub ?? '');
}
