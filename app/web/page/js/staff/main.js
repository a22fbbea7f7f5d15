// Entry point of the staff page: read the link, create the parts and connect
// them.

import { API } from '../api.js';
import { byID, h, setText, show } from '../dom.js';
import { FilesAPI } from '../files/files-api.js';
import { Shelf } from '../files/shelf.js';
import { Speech } from '../speech.js';
import { inText } from '../names.js';
import { base, takeLink } from '../link.js';
import { Acts } from './acts.js';
import { Alerts } from './alerts.js';
import { AvailabilityView } from './availability-view.js';
import { BlockView } from './block-view.js';
import { Desk } from './desk.js';
import { LinesView } from './lines-view.js';
import { Notes } from './notes.js';
import { NotesView } from './notes-view.js';
import { PanelView } from './panel-view.js';
import { Queue } from './queue.js';
import { QueueView } from './queue-view.js';
import { Replies } from './replies.js';
import { RepliesView } from './replies-view.js';
import { ReplyPicker } from './reply-picker.js';
import { Reports } from './reports.js';
import { rightsOf } from './rights.js';
import { SearchView } from './search-view.js';
import { SupportView } from './support-view.js';
import { TalksView } from './talks-view.js';
import { TalkView } from './talk-view.js';
import { Views } from './views.js';

const link = takeLink();
show(byID('signed-out'), !link.admin);
show(byID('desk'), Boolean(link.admin));

/** desk is the desk of this tab, or null without a token. */
export const desk = link.admin ? begin() : null;

function begin() {
  const api = new API(base(), link.admin);
  const can = rightsOf(link.admin);
  const queue = new Queue({ api, me: can.id });
  const made = new Desk({ api, base: base(), token: link.admin, me: can.id, queue });
  const acts = new Acts(api, made);
  const replies = new Replies(api);
  const views = new Views();
  const list = new QueueView(made, queue);
  const files = new FilesAPI({ api, base: base(), token: link.admin });
  new TalkView(made, acts, can, { files, notice });
  new LinesView(made, new Shelf(files, notice), new Speech(api));
  new PanelView({ desk: made, acts, queue, can });
  new NotesView(made, new Notes(api, can), can);
  new TalksView(made, api);
  const availability = new AvailabilityView(made, acts, can);
  const alerts = new Alerts({
    notice,
    open: (session) => {
      views.open('talks');
      made.open(session);
    },
  });
  new ReplyPicker(made, replies);
  new Reports(api, views);
  const blocks = new BlockView(made, acts, can);
  const canned = new RepliesView(replies, can);
  const support = new SupportView(api, can);
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault();
    views.open('talks');
    list.focus();
  });
  views.on('settings', () => Promise.all([canned.open(), support.open(), blocks.list()]));
  const search = new SearchView(api, queue, {
    onOpen: (session, seq) => {
      views.open('talks');
      made.read(session, seq);
    },
  });
  views.on('search', () => search.open());
  byID('to-search').addEventListener('click', () => views.open('search'));
  made.addEventListener('told', ({ detail }) => hear(detail, { queue, desk: made, alerts, away: availability.away }));
  made.addEventListener('words', ({ detail }) => {
    if (!document.hasFocus() || detail.session !== made.talk?.id) alerts.tell('A user you speak with has written.', detail.session);
  });
  made.addEventListener('taken', ({ detail }) => list.jumpTo(detail.session));
  made.addEventListener('connection', () => connectionIs(made.connection));
  made.addEventListener('notice', (event) => notice(event.detail));
  queue.addEventListener('trouble', ({ detail: error }) => notice(error.message));
  made.start();
  queue.look();
  queue.lookAtTags();
  setInterval(() => queue.lookAtTags(), 30_000); // colleagues change tags too
  return made;
}

// hear handles a notification, besides the views that handle it themselves.
function hear(told, { queue, desk: at, alerts, away }) {
  const who = inText(told.admin_name || told.admin_id);
  const tell = (text) => {
    notice(text);
    if (!away || told.event !== 'help_requested') alerts.tell(text, told.session);
  };
  if (told.event === 'help_requested') tell('Somebody asks for a person.');
  if (told.event === 'assigned' && told.admin_id !== at.me) tell(`${who} has assigned a conversation to you.`);
  if (told.event === 'transferred') tell(`${who} has handed a conversation over to you; it stands under Mine.`);
  if (told.event === 'rated') notice(`A talk was rated ${told.score} of 5.`);
  if (told.event !== 'note') queue.hint();
}

// connectionIs shows that the page is no longer live, at once if the device is
// offline.
function connectionIs(state) {
  const lost = state.name === 'offline' || state.name === 'refused' || (state.attempt ?? 0) > 2;
  const text = { offline: 'This device is offline.', refused: state.reason }[state.name] ?? 'Connection lost; trying again.';
  setText(byID('desk-banner'), lost ? `${text}${state.name === 'refused' ? '' : ' What is shown may be old; what you write is sent when the connection is back.'}` : '');
  show(byID('desk-banner'), lost);
}

function notice(text) {
  if ([...byID('notices').children].some((one) => one.textContent === text)) return;
  const line = h('div', { class: 'toast', dir: 'auto' }, text);
  byID('notices').append(line);
  setTimeout(() => line.remove(), 6000);
}
