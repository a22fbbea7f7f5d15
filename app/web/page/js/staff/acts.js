// Staff's REST actions on a conversation and its user. Each action updates the
// view.

export class Acts {
  #api;
  #desk;
  #tagging = new Map(); // session id → its running change of tags, which resolves to the resulting tags

  constructor(api, desk) {
    this.#api = api;
    this.#desk = desk;
  }

  async assign(id, colleague) {
    const path = `admin/sessions/${encodeURIComponent(id)}/assignee`;
    if (!colleague) {
      await this.#api.call('DELETE', path);
      this.#desk.changed(id, { assigned_admin_id: undefined, assigned_admin_name: undefined });
      return;
    }
    const got = await this.#api.call('PUT', path, { body: named(colleague) });
    this.#desk.changed(id, { assigned_admin_id: got.assigned_admin_id, assigned_admin_name: got.assigned_admin_name });
  }

  /** transfer makes a connected colleague the holder instead of the caller. The socket brings the event. */
  async transfer(id, colleague) {
    await this.#api.call('POST', `admin/takeover/${encodeURIComponent(id)}/transfer`, { body: named(colleague) });
  }

  /** retag changes a conversation's tags. Changes run one after the other, each on the result of the previous one. */
  async retag(id, tags, change) {
    const before = this.#tagging.get(id) ?? Promise.resolve(tags);
    const turn = before.then((now) => this.#tagsAre(id, now, change(now)));
    const left = turn.catch(() => before);
    this.#tagging.set(id, left);
    try {
      return await turn;
    } finally {
      if (this.#tagging.get(id) === left) this.#tagging.delete(id);
    }
  }

  async #tagsAre(id, now, tags) {
    if (tags === now) return now;
    const got = await this.#api.call('PUT', `admin/sessions/${encodeURIComponent(id)}/tags`, { body: { tags } });
    this.#desk.changed(id, { tags: got.tags });
    return got.tags;
  }

  async end(id) {
    await this.#api.call('POST', `admin/sessions/${encodeURIComponent(id)}/end`);
  }

  blockOf(user) {
    return this.#api.call('GET', `admin/users/${encodeURIComponent(user)}/block`);
  }

  block(user, { reason, until }) {
    return this.#api.call('PUT', `admin/users/${encodeURIComponent(user)}/block`, { body: { reason: reason || undefined, until: until || undefined } });
  }

  unblock(user) {
    return this.#api.call('DELETE', `admin/users/${encodeURIComponent(user)}/block`);
  }

  blocks(cursor) {
    return this.#api.call('GET', `admin/blocks?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
  }

  /** colleagues returns the staff connected to any pod, with the caller first. */
  async colleagues() {
    const { staff } = await this.#api.call('GET', 'admin/staff');
    return [...staff].sort((a, b) => (b.admin_id === this.#desk.me) - (a.admin_id === this.#desk.me) || (a.admin_name || a.admin_id).localeCompare(b.admin_name || b.admin_id));
  }

  async available(status) {
    await this.#api.call('PUT', 'admin/availability', { body: { status } });
  }
}

const named = ({ admin_id: id, admin_name: name }) => ({ admin_id: id, admin_name: name || undefined });
