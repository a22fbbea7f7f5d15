// Writes the duration into a recording. A browser streams a WebM recording and
// never says how long it is; others learn it from the file's header. Pure.

const EBML = 0x1a45dfa3;
const SEGMENT = 0x18538067;
const INFO = 0x1549a966;
const SCALE = 0x2ad7b1; // nanoseconds of one tick
const DURATION = 0x4489;

/** withDuration returns the parts of the WebM file with its duration in ms; an unknown structure comes back unchanged. */
export function withDuration(bytes, ms) {
  const info = infoOf(bytes);
  if (!info) return [bytes];
  const inside = bytes.subarray(info.start, info.end);
  const { scale, duration } = read(inside);
  if (duration) return [bytes];
  const element = new Uint8Array(11);
  element.set([0x44, 0x89, 0x88]);
  new DataView(element.buffer).setFloat64(3, (ms * 1e6) / scale);
  const head = new Uint8Array(12); // the id, and a length of eight bytes
  new DataView(head.buffer).setUint32(0, INFO);
  new DataView(head.buffer).setUint32(4, 0x01000000);
  new DataView(head.buffer).setUint32(8, inside.length + element.length);
  return [bytes.subarray(0, info.at), head, inside, element, bytes.subarray(info.end)];
}

// infoOf finds the Info element of a segment whose length is not known, in which
// places may move.
function infoOf(bytes) {
  const first = elementAt(bytes, 0);
  if (first?.id !== EBML || first.end === undefined) return null;
  const segment = elementAt(bytes, first.end);
  if (segment?.id !== SEGMENT || segment.end !== undefined) return null;
  const info = elementAt(bytes, segment.start);
  return info?.id === INFO && info.end !== undefined && info.end <= bytes.length ? info : null;
}

function read(inside) {
  let [scale, duration] = [1e6, false];
  for (let at = 0; at < inside.length;) {
    const one = elementAt(inside, at);
    if (!one?.end) break;
    if (one.id === DURATION) duration = true;
    if (one.id === SCALE) scale = inside.subarray(one.start, one.end).reduce((n, byte) => n * 256 + byte, 0) || scale;
    at = one.end;
  }
  return { scale, duration };
}

// elementAt reads an element's id and length; end is undefined if the length is
// not known.
function elementAt(bytes, at) {
  const id = number(bytes, at, true);
  const size = id && number(bytes, at + id.length, false);
  if (!size) return null;
  const start = at + id.length + size.length;
  return { at, id: id.value, start, end: size.unknown ? undefined : start + size.value };
}

function number(bytes, at, marked) {
  const first = bytes[at];
  if (!first || at + 8 > bytes.length + 7) return null;
  const length = Math.clz32(first) - 23;
  if (at + length > bytes.length) return null;
  let value = marked ? first : first & ((1 << (8 - length)) - 1);
  let ones = value === (1 << (8 - length)) - 1;
  for (let i = 1; i < length; i += 1) {
    value = value * 256 + bytes[at + i];
    ones &&= bytes[at + i] === 0xff;
  }
  return { value, length, unknown: !marked && ones };
}
