// The notes of one conversation over REST, which its user never sees. No DOM.

export const LONGEST = 4000; // code points

export class Notes extends EventTarget {
  session = '';
  list = []; // oldest first
  trouble = '';
  #api;
  #can;
  #asked = 0;

  constructor(api, can) {
    super();
    this.#api = api;
    this.#can = can;
  }

  /** of loads another conversation's notes; '' loads none. */
  of(session) {
    if (session === this.session) return;
    this.session = session;
    this.list = [];
    this.trouble = '';
    this.#tell();
    if (session) this.look();
  }

  async look() {
    const asked = ++this.#asked;
    try {
      const { notes } = await this.#api.call('GET', this.#path());
      if (asked !== this.#asked) return;
      this.list = notes;
      this.trouble = '';
    } catch (error) {
      if (asked !== this.#asked) return;
      this.trouble = error.message;
    }
    this.#tell();
  }

  async add(text) {
    await this.#act('POST', this.#path(), { text });
  }

  async edit(id, text) {
    await this.#act('PATCH', this.#path(id), { text });
  }

  async remove(id) {
    await this.#act('DELETE', this.#path(id));
  }

  mayEdit(note) {
    return this.#can.change && note.admin_id === this.#can.id;
  }

  mayRemove(note) {
    return this.#can.owner || this.mayEdit(note);
  }

  async #act(method, path, body) {
    const { session } = this;
    await this.#api.call(method, path, { body });
    if (session === this.session) await this.look();
  }

  #path(id) {
    return `admin/sessions/${encodeURIComponent(this.session)}/notes${id ? `/${encodeURIComponent(id)}` : ''}`;
  }

  #tell() {
    this.dispatchEvent(new Event('notes'));
  }
}

/** fits reports whether a note's text is valid; it is trimmed only to check that it is not empty. */
export const fits = (text) => text.trim() !== '' && [...text].length <= LONGEST;
