// Entry point: read the link, create the parts and connect them.

import { API } from './api.js';
import { Chat } from './chat.js';
import { Cluster } from './cluster.js';
import { ClusterView } from './cluster-view.js';
import { ComposerView } from './composer-view.js';
import { byID, h, isComposing, name, setParts, show } from './dom.js';
import { FilesAPI } from './files/files-api.js';
import { Shelf } from './files/shelf.js';
import { HeaderView } from './header-view.js';
import { HelpView } from './help-view.js';
import { isSessionID } from './ids.js';
import { base, setSession, takeLink, userOf } from './link.js';
import { RatingView } from './rating-view.js';
import { SidebarView } from './sidebar-view.js';
import { Speech } from './speech.js';
import { StatusView } from './status-view.js';
import { TranscriptView } from './transcript-view.js';

/** chat is the conversation of this tab, or null without a token. */
export const chat = begin();

function begin() {
  addEventListener('hashchange', () => {
    const link = takeLink();
    if (link.brought) location.reload(); // another token means another user
    else if (chat && isSessionID(link.session)) chat.open(link.session);
  });
  const link = takeLink();
  byID('sign-in').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = byID('sign-in-link').value.trim();
    const fragment = text.includes('#') ? text.slice(text.indexOf('#') + 1) : text.includes('token=') ? text : `token=${text}`;
    location.hash = fragment;
  });
  show(byID('signed-out'), !link.token);
  show(byID('app'), Boolean(link.token));
  return link.token ? assemble(link) : null;
}

function assemble(link) {
  const api = new API(base(), link.token);
  const made = new Chat({ api, base: base(), token: link.token, quiet: (frame) => HelpView.shows(frame) || RatingView.shows(frame) });
  const header = new HeaderView(made, { notice });
  const files = new FilesAPI({ api, base: base(), token: link.token });
  const composer = new ComposerView(made, { onSend: () => transcript.toEnd(), files, notice });
  const transcript = new TranscriptView(made, { onEdit: (...draft) => composer.edit(...draft), shelf: new Shelf(files, notice), speech: new Speech(api) });
  const sidebar = new SidebarView(made);
  new StatusView(made);
  new HelpView(made, api);
  new RatingView(made, api, { notice });
  setParts(byID('user'), name(userOf(link.token)));
  show(byID('account'), byID('user').textContent !== '');
  if (link.admin) showCluster(made, link.admin);

  made.addEventListener('switched', () => setSession(made.current.id));
  made.addEventListener('notice', (event) => notice(event.detail));
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault(); // keep the session in the address
    composer.focus();
  });
  addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented || isComposing(event) || document.querySelector('dialog[open]')) return;
    if (header.closeMenu()) return;
    if (sidebar.isOpen) sidebar.close();
    else made.stop();
  });
  made.start(link.session);
  composer.focus();
  return made;
}

function showCluster(made, token) {
  const cluster = new Cluster(new API(base(), token));
  const view = new ClusterView(cluster);
  let offline = false;
  made.addEventListener('connection', ({ detail: state }) => {
    if (state.name === 'open' && !state.draining) {
      view.serves(state.pod);
      if (!state.moved) view.tell(`socket opened on ${state.pod}`);
      else if (state.moved.from === state.pod) view.tell(`socket back on ${state.pod} in ${state.moved.took} ms`, 'good');
      else view.tell(`socket moved from ${state.moved.from || 'nowhere'} to ${state.pod} in ${state.moved.took} ms`, 'good');
    } else if (state.name === 'open') view.tell(`${state.pod} asks this tab to move`);
    else if (state.name === 'offline' && !offline) view.tell('this device is offline');
    else if (state.name === 'waiting' && state.attempt === 1) view.tell('socket cut');
    else if (state.name !== 'connecting') view.serves('');
    offline = state.name === 'offline';
  });
  made.addEventListener('continued', ({ detail: note }) => {
    const pause = `after ${(note.pause / 1000).toFixed(1)} s`;
    if (note.kind === 'restarted') view.tell(`answer continued, attempt ${note.attempt}, ${pause}`, 'good');
    else view.tell(`answer continued where it was, ${pause}`, 'good');
  });
  made.addEventListener('finished', ({ detail: answer }) => {
    if (answer.finish === 'stop') view.tell(`answer complete: ${[...answer.text].length} characters, none lost`);
  });
  cluster.start();
}

function notice(text, stays = 6000) {
  const line = h('div', { class: 'toast', dir: 'auto' }, text);
  byID('notices').append(line);
  setTimeout(() => line.remove(), stays);
}
