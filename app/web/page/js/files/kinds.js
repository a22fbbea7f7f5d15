// What the pages know of a file: its shape on the wire, and how its kind, size
// and duration are shown. Pure.

import { plainName } from '../names.js';

const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
const FILE_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** fileOf returns a file of the server's JSON: {id, name, type, size, width, height, duration (ms)}. */
export function fileOf(view) {
  return {
    id: FILE_ID.test(view.file_id ?? '') ? view.file_id : '',
    name: plainName(view.filename) || 'File',
    type: String(view.content_type ?? ''),
    size: amount(view.size),
    width: amount(view.width),
    height: amount(view.height),
    duration: amount(view.duration_ms),
    address: '',
  };
}

/** filesOf returns the files of an event. One that only has an address elsewhere is a link to it. */
export function filesOf(event) {
  if (Array.isArray(event.files) && event.files.length > 0) return event.files.map(fileOf);
  if (!event.file_id && !event.file_url) return [];
  const filename = event.metadata?.filename;
  const address = elsewhere(event.file_url);
  const file = fileOf({ file_id: event.file_id, filename: filename || (address && hostOf(address)) });
  return [address ? { ...file, id: '', address } : file];
}

/** kindOf returns 'picture', 'sound', 'video' or 'document'. */
export function kindOf({ type }) {
  if (PICTURES.has(type)) return 'picture';
  if (type.startsWith('audio/')) return 'sound';
  return type.startsWith('video/') ? 'video' : 'document';
}

/** sizeText: "840 bytes", "12 kB", "3.4 MB"; '' if the size is unknown. */
export function sizeText(bytes, locale = undefined) {
  if (!(bytes > 0)) return '';
  if (bytes < 1000) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value.toLocaleString(locale, { maximumFractionDigits: value < 10 ? 1 : 0 })} ${['', 'kB', 'MB', 'GB'][power]}`;
}

/** clockText: "0:07", "12:34", "1:02:03". */
export function clockText(ms) {
  const seconds = Math.max(0, Math.round((ms || 0) / 1000));
  const [s, m, h] = [seconds % 60, Math.floor(seconds / 60) % 60, Math.floor(seconds / 3600)];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** typeText returns a short name of a document's type: the ending of its name, or ''. */
export const typeText = ({ name }) => /[^.]\.([A-Za-z0-9]{1,5})$/.exec(name)?.[1].toUpperCase() ?? '';

/** inWords describes files for a screen reader or a list: "the file plan.pdf", "a voice message", "3 files". */
export function inWords(files, type = 'user_message') {
  if (type === 'voice_message') return 'a voice message';
  if (files.length > 1) return `${files.length} files`;
  return files.length === 1 ? `the file ${files[0].name}` : '';
}

// elsewhere returns an https address outside the service, or ''.
function elsewhere(text) {
  try {
    const url = new URL(text);
    return url.protocol === 'https:' ? url.href : '';
  } catch {
    return ''; // the path of a stored file, or nothing
  }
}

const hostOf = (address) => new URL(address).host;
const amount = (value) => (Number.isFinite(value) && value > 0 ? value : 0);
const pad = (n) => String(n).padStart(2, '0');
