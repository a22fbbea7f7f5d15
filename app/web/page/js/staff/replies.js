// Canned replies over REST, and the search for those that match the typed text.
// No DOM.

export class Replies extends EventTarget {
  list = []; // by shortcut
  #api;

  constructor(api) {
    super();
    this.#api = api;
  }

  async look() {
    this.list = (await this.#api.call('GET', 'admin/replies')).replies;
    this.dispatchEvent(new Event('replies'));
  }

  /** save creates a reply, or replaces the one with this id. */
  async save(id, reply) {
    if (id) await this.#api.call('PUT', `admin/replies/${encodeURIComponent(id)}`, { body: reply });
    else await this.#api.call('POST', 'admin/replies', { body: reply });
    await this.look();
  }

  async remove(id) {
    await this.#api.call('DELETE', `admin/replies/${encodeURIComponent(id)}`);
    await this.look();
  }

  /** render fills in a reply for a conversation: {content, missing}. It sends nothing. */
  render(id, session) {
    return this.#api.call('POST', `admin/replies/${encodeURIComponent(id)}/render`, { body: { session_id: session } });
  }
}

/** matching returns the matching replies, best first: by the shortcut's beginning, then by shortcut or title, then by text. */
export function matching(replies, typed) {
  const words = typed.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return replies;
  const rank = (reply) => {
    const shortcut = reply.shortcut.toLowerCase();
    const head = `${shortcut} ${(reply.title ?? '').toLowerCase()}`;
    if (words.length === 1 && shortcut.startsWith(words[0])) return shortcut === words[0] ? 0 : 1;
    if (words.every((word) => head.includes(word))) return 2;
    return words.every((word) => `${head} ${reply.text.toLowerCase()}`.includes(word)) ? 3 : 9;
  };
  return replies.map((reply) => [rank(reply), reply]).filter(([r]) => r < 9).sort((a, b) => a[0] - b[0]).map(([, reply]) => reply);
}

/** gapsIn returns the placeholders in a rendered text that are still to be filled in. */
export function gapsIn(content, missing) {
  return [...new Set(missing.flatMap((name) => content.match(new RegExp(`\\{\\{\\s*${name.replace(/[^\w]/g, '')}\\s*\\}\\}`, 'g')) ?? []))];
}
