// The REST API of docs/protocol/openapi.yaml. Each call returns a promise; a
// refusal is an APIError with the server's message.

export class APIError extends Error {
  constructor(status, code, message, retryAfter) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }
}

// A call without a response must fail eventually, or polling would stop.
const LONGEST = 60_000; // ms

export class API {
  #base;
  #token;

  constructor(base, token) {
    this.#base = base;
    this.#token = token;
  }

  async call(method, path, { body, signal, raw } = {}) {
    const headers = { Authorization: `Bearer ${this.#token}`, ...(raw ? {} : { Accept: 'application/json' }) };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const response = await fetch(new URL(path, this.#base), {
      method, headers, signal: signal ?? (raw ? undefined : AbortSignal.timeout(LONGEST)), body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store',
    });
    if (response.ok && raw) return response;
    const text = await response.text();
    let answer = {};
    try {
      answer = text ? JSON.parse(text) : {};
    } catch {
      // A balancer's own error page has no JSON; the status is enough.
    }
    if (response.ok) return answer;
    const after = Number(response.headers.get('Retry-After')) * 1000 || 0;
    throw new APIError(response.status, answer.code ?? '', answer.message ?? answer.error ?? `The server answered ${response.status}.`, after);
  }

  sessions(cursor) {
    return this.call('GET', `sessions?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
  }

  history(id, query = '') {
    return this.call('GET', `sessions/${id}${query}`);
  }

  rename(id, name) {
    return this.call('PATCH', `sessions/${id}`, { body: { name } });
  }

  end(id) {
    return this.call('POST', `sessions/${id}/end`);
  }

  erase(id) {
    return this.call('DELETE', `sessions/${id}`);
  }

  async export(id, format) {
    return (await this.call('GET', `sessions/${id}/export?format=${format}`, { raw: true })).blob();
  }

  cluster(signal) {
    return this.call('GET', 'admin/cluster', { signal });
  }
}
