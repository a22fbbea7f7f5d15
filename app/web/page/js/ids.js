// Ids made by this page.

/** A version 4 UUID, also on plain http from another host, where crypto.randomUUID is missing. */
export function uuid() {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** isSessionID reports whether a text is a valid session id. */
export const isSessionID = (text) => /^[A-Za-z0-9._-]{1,128}$/.test(text ?? '');
