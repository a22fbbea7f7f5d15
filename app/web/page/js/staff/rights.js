// The rights of a token's roles, so that the page offers no button that the
// server would refuse. The server decides.

import { claimsOf } from '../link.js';

const CHANGES = new Set(['admin', 'chat_admin']);

/** rightsOf: `change` may act on conversations, `owner` may also remove what colleagues wrote; a viewer has neither. */
export function rightsOf(token) {
  const claims = claimsOf(token);
  const roles = Array.isArray(claims.roles) ? claims.roles : [];
  const id = String(claims.user_id ?? claims.sub ?? '');
  return { id, name: String(claims.name ?? '') || id, change: roles.some((role) => CHANGES.has(role)), owner: roles.includes('admin') };
}
