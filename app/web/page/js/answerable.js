// Which messages the model is to answer, by the server's own rule. Pure.

const REPLIED = new Set(['stop', 'length', 'cancelled']);

/**
 * answerableFrom is the seq from which on the user's messages are the model's to answer: what was said before a person came, or
 * to one, is not. Only where the person vanished, the last message that nobody replied to is. questionOf(id) finds a message.
 */
export function answerableFrom(items, questionOf) {
  let from = 0;
  let asked = 0;
  let replied = 0;
  for (const item of [...items].sort((a, b) => a.seq - b.seq)) {
    if (item.kind === 'answer') {
      if (REPLIED.has(item.finish) && questionOf(item.replyTo)?.seq === asked) replied = item.seq;
    } else if (item.type === 'user_message') {
      if (item.sender === 'user') asked = item.seq;
      else if (item.sender === 'admin') replied = item.seq;
    } else if (item.type === 'admin_join') from = item.seq;
    else if (item.type === 'admin_leave') from = item.automatic && asked > replied ? asked : item.seq;
  }
  return from;
}
