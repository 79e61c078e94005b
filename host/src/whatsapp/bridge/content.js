// Reading messages: the fields that all of them have, and the conversion of a field's value.
//
// The fields come from other people's programs by way of WhatsApp Web: any of them may have an
// unexpected type. An invalid field costs only that field and not the message; a message that means
// nothing without the field is reported as `other`.

// In UTF-16 units. A phone writes at most 65,536 characters.
const LONG = 131_072;
const SHORT = 1_024;
const MENTIONS = 2_048;
const OPTIONS = 100;

/**
 * @param {any} msg
 * @returns {Reader}
 */
const reader = (msg) => (name) => attempt(() => msg[name]);

/**
 * @param {unknown} value
 * @param {number} limit
 */
const text = (value, limit) => (typeof value === "string" ? cut(value, limit) : null);
/**
 * Cuts a text, with a mark for the reader that it was longer.
 * @param {string} value
 * @param {number} limit
 */
function cut(value, limit) {
  if (value.length <= limit) return value;
  return `${value.slice(0, limit).replace(/[\uD800-\uDBFF]$/, "")}… [cut: ${value.length} characters]`;
}
/** @param {any} value @param {number} most */
const wholeNumber = (value, most) => (Number.isSafeInteger(value) && value >= 0 && value <= most ? value : 0);
/** @param {any} value @param {number} most */
const degrees = (value, most) => (Number.isFinite(value) && Math.abs(value) <= most ? value : undefined);
/** @param {any} value @param {number} most @returns {any[]} */
const list = (value, most) => (Array.isArray(value) ? value.slice(0, most) : []);
/** @param {any} value A Wid, or its text. */
const isId = (value) => /^[^\s@]{1,128}@[a-z.]{1,32}$/.test(attempt(() => (value ?? "").toString()));
/** @param {any} value */
const ids = (value) => list(value, MENTIONS).filter(isId).map(String);
/** @param {any} seconds Up to the year 5138. @returns {number | null} In milliseconds; null for a value that is no time. */
const instant = (seconds) => (Number.isFinite(seconds) && seconds > 0 && seconds < 1e11 ? Math.trunc(seconds * 1000) : null);
/** @param {any} seconds A value that is no time counts as now. */
const moment = (seconds) => instant(seconds) ?? Date.now();

/**
 * The message as it is reported. Fails only when its key cannot be read.
 * @param {Message} msg
 */
function shape(msg) {
  const get = reader(msg);
  const { fromMe, chat, id, participant } = partsOf(msg.id);
  const sender = (fromMe ? [get("from")] : [get("author"), participant, get("from")]).find(isId) ?? chat;
  return {
    id, chat: address(chat), sender: address(sender), fromMe, pushName: text(get("notifyName"), SHORT), sentAt: moment(get("t")), content: contentOf(get),
    replyTo: text(get("quotedStanzaID"), SHORT) || null,
  };
}
