// Start of the staff page: read the link, make the parts, connect them.

import { API } from '../api.js';
import { byID, h, show } from '../dom.js';
import { base, takeLink } from '../link.js';
import { Desk } from './desk.js';
import { QueueView } from './queue-view.js';
import { Reports } from './reports.js';
import { TalkView } from './talk-view.js';

const link = takeLink();
show(byID('signed-out'), !link.admin);
show(byID('desk'), Boolean(link.admin));

/** desk is this tab's, or null without a token. */
export const desk = link.admin ? begin() : null;

function begin() {
  const api = new API(base(), link.admin);
  const made = new Desk({ api, base: base(), token: link.admin });
  new QueueView(made);
  new TalkView(made);
  new Reports(api);
  made.addEventListener('notice', (event) => notice(event.detail));
  made.start();
  return made;
}

function notice(text) {
  const line = h('div', { class: 'toast' }, text);
  byID('notices').append(line);
  setTimeout(() => line.remove(), 6000);
}
