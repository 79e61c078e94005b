// Acknowledgements and inbound messages.

// Types that look like a new message and are none.
const NOT_CHAT = new Set([
  "protocol", "e2e_notification", "notification", "notification_template", "gp2", "call_log", "reaction",
  "newsletter_notification", "broadcast_notification", "revoked", "debug", "keep_in_chat", "pin_message", "poll_update",
]);

/** @type {Set<string>} */
const ours = new Set();

// Messages are reported in the order in which they came, and only a limited number ahead of what
// the gateway has recorded. A flood waits here, where it is in memory anyway, and acknowledgements
// do not wait behind it. A message counts as seen once it was reported.
const WINDOW = 256;
const WINDOW_CHARACTERS = 1 << 20;
/** @type {Set<string>} */
const seen = new Set();
/** @type {Map<string, Waiting>} */
const waiting = new Map();
/** @type {{number: number, size: number, since: number}[]} */
let unrecorded = [];
let numbered = 0;

const hasRoom = () => unrecorded.length < WINDOW && unrecorded.reduce((sum, { size }) => sum + size, 0) < WINDOW_CHARACTERS;
// Since when the oldest message has been waiting to be recorded, in milliseconds since the epoch.
const untoldSince = () => unrecorded[0]?.since ?? waiting.values().next().value?.since ?? null;

/**
 * @param {Message} msg A model, or a row of the database.
 * @param {boolean} missed
 */
function tellMessage(msg, missed) {
  const key = String(msg.id);
  // A missed message is reported again even if it was seen: it may have been reported and not
  // recorded, which only the gateway knows.
  if (waiting.has(key) || (seen.has(key) && !missed)) return;
  waiting.set(key, { since: Date.now(), said: { missed, message: shape(msg) } });
  tellWaiting();
}
function tellWaiting() {
  for (const [key, { since, said, end }] of waiting) {
    if (!hasRoom()) return;
    waiting.delete(key);
    if (end) {
      emit("caught_up", end);
      continue;
    }
    numbered += 1;
    const size = safely(emit, "telling a message")("message", { number: numbered, ...said });
    // Nothing of it was told, so nobody says that it is recorded.
    if (size === undefined) continue;
    unrecorded.push({ number: numbered, size, since });
    bounded(seen, key);
  }
}
/**
 * Notes that all messages up to that number are recorded.
 * @param {Ticket | null} ticket
 */
function recorded(ticket) {
  if (ticket?.page !== page) return;
  unrecorded = unrecorded.filter((one) => one.number > ticket.number);
  tellWaiting();
}
onCall("recorded", recorded);

/**
 * Whether a chat is that of status posts, which the page treats like other messages although they
 * belong to no chat.
 * @param {Wid} chat
 */
const isStatus = (chat) => String(chat) === "status@broadcast";

const take = safely(
  /** @param {Message | undefined} msg */
  function take(msg) {
    if (!msg?.id || msg.isNewMsg !== true || NOT_CHAT.has(msg.type)) return;
    const { fromMe, chat, id } = partsOf(msg.id);
    if (isStatus(chat)) return;
    // Our own messages begin with ack 0; those typed on the phone arrive with the ack of the
    // server.
    if (fromMe && (ours.has(id) || !isTaken(msg))) return;
    if (msg.type === "ciphertext") {
      msg.once("change:type", () => take(msg));
      return;
    }
    tellMessage(msg, false);
  },
);

// The events of a revocation and of an edit come without a message or without an ack.
const tellAck = safely(
  /**
   * @param {Message | undefined} msg
   * @param {unknown} ack
   */
  function tellAck(msg, ack) {
    if (!msg?.id || typeof ack !== "number" || ack === 0) return;
    const { fromMe, chat, id } = partsOf(msg.id);
    if (!fromMe) return;
    if (ack >= 1) emit("ack", { id, address: address(chat), level: ack });
    else tellRefused(id, chat, String(msg.errorCode ?? `ack ${ack}`));
  },
);

function watchMessages() {
  listen("WAWebCollections.Msg", "change:ack", tellAck);
  listen("WAWebCollections.Msg", "add", take);
  for (const msg of [...need("WAWebCollections.Msg").getModelsArray()]) take(msg);
}
