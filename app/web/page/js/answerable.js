// Which messages the model must answer, by the same rule as the server. Pure.

/** ASKS are the types of a user's messages that the model answers. */
export const ASKS = new Set(['user_message', 'voice_message']);
const SAID = new Set([...ASKS, 'file_upload']);
const REPLIED = new Set(['stop', 'length', 'cancelled']);

/**
 * answerableFrom returns the seq from which on the model must answer the user's messages. Earlier ones were written before or to
 * a person. If the person vanished, the last message without a reply is included. questionOf(id) finds a message.
 */
export function answerableFrom(items, questionOf) {
  let from = 0;
  let asked = 0;
  let replied = 0;
  for (const item of [...items].sort((a, b) => a.seq - b.seq)) {
    if (item.kind === 'answer') {
      if (REPLIED.has(item.finish) && questionOf(item.replyTo)?.seq === asked) replied = item.seq;
    } else if (SAID.has(item.type)) {
      if (item.sender === 'user' && ASKS.has(item.type)) asked = item.seq;
      else if (item.sender === 'admin') replied = item.seq;
    } else if (item.type === 'admin_join') from = item.seq;
    else if (item.type === 'admin_leave') from = item.automatic && asked > replied ? asked : item.seq;
  }
  return from;
}
