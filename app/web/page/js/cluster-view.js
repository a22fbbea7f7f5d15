// The strip at the top: the current pods, with the one that serves this tab
// marked, and a feed of what happened.

import { byID, h, setText, show } from './dom.js';

const LONGEST_FEED = 60;
const ACTIONS = [['kill', 'Kill', 'as kill -9 does: nothing is flushed'], ['drain', 'Drain', 'as a deployment does: hands over and leaves'], ['start', 'Start', '']];
const WORDS = { serving: 'serving', draining: 'draining', dead: 'down', starting: 'starting' };

export class ClusterView {
  #cluster;
  #cards = new Map();
  #pod = '';
  #feed = byID('feed');

  constructor(cluster) {
    this.#cluster = cluster;
    show(byID('cluster'), true);
    cluster.addEventListener('change', () => this.#draw());
    cluster.addEventListener('event', (event) => this.tell(event.detail.text, event.detail.kind));
  }

  /** serves marks the pod that has this tab's socket. */
  serves(pod) {
    this.#pod = pod;
    this.#draw();
  }

  /** tell adds a line to the feed, newest first. */
  tell(text, kind = '') {
    const now = new Date();
    const time = now.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
    this.#feed.prepend(h('li', { class: kind }, h('time', { datetime: now.toISOString() }, time), h('span', {}, text)));
    while (this.#feed.children.length > LONGEST_FEED) this.#feed.lastElementChild.remove();
  }

  #draw() {
    const pods = byID('pods');
    const seen = new Set();
    for (const pod of this.#cluster.pods) {
      seen.add(pod.id);
      const card = this.#cards.get(pod.id) ?? this.#card(pod.id);
      this.#cards.set(pod.id, card);
      if (!card.node.isConnected) pods.append(card.node);
      card.update(pod);
    }
    for (const [id, card] of this.#cards) {
      if (seen.has(id)) continue;
      card.node.remove();
      this.#cards.delete(id);
    }
    byID('cluster').classList.toggle('away', !this.#cluster.reachable);
  }

  #card(id) {
    const state = h('span', { class: 'pod-state' });
    const connections = h('span', { class: 'fact', title: 'open sockets' });
    const generations = h('span', { class: 'fact', title: 'answers being generated here' });
    const here = h('span', { class: 'here' }, 'this tab');
    const buttons = h('div', { class: 'pod-actions' });
    const byVerb = new Map(ACTIONS.map(([verb, label, why]) => {
      const button = h('button', { type: 'button', class: `pod-${verb}`, 'data-verb': verb, title: why || null, 'aria-label': `${label} ${id}`, onclick: () => this.#act(button, id, verb) }, label);
      buttons.append(button);
      return [verb, button];
    }));
    const node = h('li', { class: 'pod', 'data-pod': id },
      h('div', { class: 'pod-head' }, h('span', { class: 'light', 'aria-hidden': 'true' }), h('strong', {}, id), here),
      h('div', { class: 'pod-facts' }, state, connections, generations),
      buttons);
    const update = (pod) => {
      node.dataset.state = pod.state;
      node.classList.toggle('mine', pod.id === this.#pod);
      show(here, pod.id === this.#pod);
      setText(state, WORDS[pod.state] ?? pod.state);
      setText(connections, counted(pod.connections, 'socket'));
      setText(generations, counted(pod.generations, 'answer'));
      show(buttons, this.#cluster.controllable);
      const down = pod.state === 'dead';
      show(byVerb.get('start'), down);
      show(byVerb.get('kill'), !down);
      show(byVerb.get('drain'), !down);
      byVerb.get('drain').disabled = pod.state === 'draining';
    };
    return { node, update };
  }

  async #act(button, id, verb) {
    button.disabled = true;
    try {
      await this.#cluster.act(id, verb);
    } catch (error) {
      this.tell(error.message, 'kill');
    } finally {
      button.disabled = false;
    }
  }
}

const counted = (n = 0, noun) => `${n} ${noun}${n === 1 ? '' : 's'}`;
