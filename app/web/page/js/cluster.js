// The pods as seen from outside: the cluster's own list, and the actions of the
// development stack.

const EVERY = 1000;

export class Cluster extends EventTarget {
  pods = []; // {id, state, connections, generations, version}
  controllable = false;
  reachable = true;
  #api;
  #known = new Map(); // id → state at the last look
  #stack = true; // false once /dev/pods turns out not to exist
  #acted = new Map(); // id → what this page did, for the feed

  /** api has an admin token. */
  constructor(api) {
    super();
    this.#api = api;
  }

  start() {
    this.#look();
  }

  /** act asks the development stack to kill, drain or start a pod. */
  async act(id, verb) {
    this.#acted.set(id, verb);
    // The order is shown before its response, because the sockets of a killed pod
    // break sooner.
    this.#say(`${id}: ${verb} ordered`, verb);
    let refusal = '';
    try {
      const response = await fetch(`/dev/pods/${encodeURIComponent(id)}/${verb}`, { method: 'POST' });
      if (!response.ok) refusal = `the stack refused (${response.status})`;
    } catch {
      refusal = 'the stack does not answer';
    }
    if (refusal) {
      this.#acted.delete(id);
      throw new Error(`${id} was not ${{ kill: 'killed', drain: 'drained', start: 'started' }[verb]}: ${refusal}.`);
    }
    if (verb !== 'start') this.#say({ kill: `${id} killed`, drain: `${id} is draining` }[verb], verb);
    await this.#once();
  }

  async #look() {
    if (document.visibilityState === 'visible') await this.#once();
    setTimeout(() => this.#look(), EVERY);
  }

  async #once() {
    const [registry, stack] = await Promise.all([this.#registry(), this.#devPods()]);
    this.reachable = registry !== null || stack !== null;
    this.controllable = stack !== null;
    if (this.reachable) this.#merge(registry ?? [], stack ?? []);
    this.dispatchEvent(new Event('change'));
  }

  async #registry() {
    try {
      return (await this.#api.cluster(AbortSignal.timeout(3000))).pods ?? [];
    } catch {
      return null;
    }
  }

  async #devPods() {
    if (!this.#stack) return null;
    try {
      const response = await fetch('/dev/pods', { cache: 'no-store', signal: AbortSignal.timeout(3000) });
      if (response.status === 404) this.#stack = false;
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    }
  }

  // The registry removes a killed pod only when its heartbeat expires; the stack
  // knows at once.
  #merge(registry, stack) {
    const pods = new Map(registry.map((pod) => [pod.id, { ...pod }]));
    for (const { id, state } of stack) {
      const pod = pods.get(id) ?? { id, connections: 0, generations: 0 };
      pod.running = state;
      if (state === 'stopped') Object.assign(pod, { state: 'dead', connections: 0, generations: 0 });
      else if (state === 'draining') pod.state = 'draining';
      else if (!pods.has(id)) pod.state = 'starting';
      pods.set(id, pod);
    }
    this.pods = [...pods.values()].sort((a, b) => a.id.localeCompare(b.id, undefined, { numeric: true }));
    for (const pod of this.pods) this.#notice(pod);
  }

  #notice({ id, state }) {
    const before = this.#known.get(id);
    this.#known.set(id, state);
    if (before === undefined || before === state) return;
    const mine = this.#acted.get(id);
    if (state === 'dead' && mine !== 'kill') this.#say(mine === 'drain' ? `${id} left after draining` : `${id} is gone`, 'kill');
    else if (state === 'draining' && mine !== 'drain') this.#say(`${id} is draining`, 'drain');
    else if (state === 'serving') this.#say(`${id} serves again`, 'start');
    if (state === 'serving') this.#acted.delete(id);
  }

  #say(text, kind) {
    this.dispatchEvent(new CustomEvent('event', { detail: { text, kind } }));
  }
}
