// The address bar. A link has credentials in its fragment, which browsers do not
// send to servers:
//   #token=<jwt>&admin=<jwt>&session=<id>
// They are moved to this tab's sessionStorage at once; only #session=<id> remains
// in the address.

import { isSessionID } from './ids.js';

const KEYS = { token: 'chatbox.token', admin: 'chatbox.admin' };

/** takeLink reads the fragment, moves the credentials to storage and leaves the rest in the address. */
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

/** setSession writes the session into the address without a new history entry. */
export function setSession(id) {
  history.replaceState(null, '', `${location.pathname}${location.search}${id ? `#session=${id}` : ''}`);
}

/** base is the service's path prefix, one level above the console. */
export const base = () => new URL('../', location.href.split('#')[0]);

/** claimsOf decodes a token's claims for display, without verifying them. An invalid token has none. */
export function claimsOf(token) {
  try {
    const body = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(body), (c) => c.charCodeAt(0)))) ?? {};
  } catch {
    return {};
  }
}

/** userOf returns the user's name in a token. */
export function userOf(token) {
  const claims = claimsOf(token);
  return String(claims.name ?? claims.user_id ?? claims.sub ?? '');
}
