// Metrics, pods and audit log. Each is read when it is opened, and periodically
// while it is open.

import { byID, h, name, show } from '../dom.js';

const EVERY = 5000;
const FIGURES = [
  ['active_sessions', 'Active conversations'], ['total_sessions', 'Conversations'], ['avg_concurrent', 'Concurrent, average'],
  ['max_concurrent', 'Concurrent, most'], ['total_tokens', 'Tokens'], ['avg_response_time', 'Answer, average', 'ms'],
  ['max_response_time', 'Answer, longest', 'ms'], ['admin_assisted_count', 'Assisted'], ['help_requested_count', 'Asked for help'],
  ['ratings_count', 'Ratings'], ['avg_rating', 'Rating, average', 'of 5'],
];

export class Reports {
  #api;
  #timer = 0;
  #turn = 0; // detects that the view was left during a read
  #cursor = '';

  constructor(api, views) {
    this.#api = api;
    const stop = () => {
      this.#turn += 1;
      clearTimeout(this.#timer);
    };
    views.on('metrics', () => this.#repeat(() => this.#metrics()), stop);
    views.on('cluster', () => this.#repeat(() => this.#cluster()), stop);
    views.on('audit', () => this.#audit('').catch((error) => rows('audit-rows', [[error.message]])));
    byID('more-audit').addEventListener('click', () => this.#audit(this.#cursor).catch((error) => rows('audit-rows', [[error.message]], true)));
  }

  async #repeat(read) {
    const turn = ++this.#turn;
    try {
      await read();
    } catch {
      // Keeps the last state; the light in the head shows the connection.
    }
    if (turn === this.#turn) this.#timer = setTimeout(() => this.#repeat(read), EVERY);
  }

  async #metrics() {
    const got = await this.#api.call('GET', 'admin/metrics');
    byID('figures').replaceChildren(...FIGURES.map(([name, label, unit]) => h('div', {}, h('dt', {}, label), h('dd', {}, number(got[name], unit)))));
  }

  async #cluster() {
    const { pods } = await this.#api.cluster();
    rows('pod-rows', pods.map((p) => [p.id, p.state, p.connections, p.generations, p.version, new Date(p.last_heartbeat).toLocaleTimeString()]));
  }

  async #audit(cursor) {
    const page = await this.#api.call('GET', `admin/audit?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    const lines = page.entries.map((e) => [new Date(e.time).toLocaleString(), e.actor_id || e.actor, e.action, e.session_id ?? '', e.user_id || e.user || '']);
    rows('audit-rows', lines, cursor !== '');
    this.#cursor = page.next_cursor;
    show(byID('more-audit'), Boolean(page.next_cursor));
  }
}

function rows(id, lines, behind = false) {
  const made = lines.map((cells) => h('tr', {}, cells.map((cell) => h('td', {}, name(cell)))));
  if (behind) byID(id).append(...made);
  else byID(id).replaceChildren(...made);
}

const number = (value, unit) => `${new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 }).format(value ?? 0)}${unit ? ` ${unit}` : ''}`;
