// Catching up. A message that the page has stored and confirmed while the gateway was not listening
// is no longer new to the page. It is read from the page's database, backwards from the end of each
// chat, which changes nothing in the page. Rows are in the order in which they arrived, not in that
// of their time: a whole batch of rows that are too old ends a chat.
const CATCH_UP_PAGES = 20;
const CATCH_UP_ROWS = 50;
const CATCH_UP_WAITING = 500;
const CATCH_UP_READ = 30_000;
let catchUps = 0;

/**
 * Begins a catch-up. Its end is reported behind its messages, and tells whether those were all;
 * null: not all could be read. A new catch-up replaces one that is still running.
 * @param {{since: number}} request In milliseconds since the epoch.
 */
function catchUp({ since }) {
  // An end that still waits to be told is that of the one before: told now, it would be taken for the end of this one, and
  // what this one has not told yet would count as told.
  waiting.delete(endOf(catchUps));
  catchUps += 1;
  const mine = catchUps;
  // A log-out destroys the database, so that reading it fails and says nothing any more.
  const isCurrent = () => mine === catchUps && !logoutTold;
  /** @param {CatchUpEnd | undefined} outcome */
  const end = (outcome) => {
    if (!isCurrent() || !outcome) return;
    waiting.set(endOf(mine), { since: Date.now(), end: outcome });
    tellWaiting();
  };
  readMissed(since / 1000, isCurrent).then(end, (error) => {
    if (!isCurrent()) return;
    fault("catching up", error);
    end({ complete: null });
  });
}
onCall("catch_up", catchUp, ["catch_up"]);
/** @param {number} number */
const endOf = (number) => `the end of catch-up ${number}`;

/**
 * @param {number} start In seconds.
 * @param {() => boolean} isCurrent
 * @returns {Promise<CatchUpEnd | undefined>}
 */
async function readMissed(start, isCurrent) {
  let [complete, failed] = [true, false];
  // The list is live, so it is copied.
  for (const chat of [...need("WAWebCollections.Chat").getModelsArray()]) {
    if (isStatus(chat.id) || !isActiveSince(chat, start)) continue;
    const found = await missedIn(chat, start).catch((error) => {
      if (isCurrent()) fault("catching up with a chat", error);
    });
    if (!isCurrent()) return undefined;
    failed ||= !found;
    complete &&= found?.complete !== false;
    for (const msg of found?.messages ?? []) {
      while (isCurrent() && waiting.size > CATCH_UP_WAITING) await sleep(20);
      if (!isCurrent()) return undefined;
      safely(tellMessage, "telling what was missed")(msg, true);
    }
  }
  return { complete: failed ? null : complete };
}
/**
 * @param {Chat} chat
 * @param {number} start
 */
function isActiveSince(chat, start) {
  return timeOf(chat) >= start || chat.msgs.getModelsArray().some((msg) => timeOf(msg) >= start);
}

// A message without a readable time may be of any age.
const LATEST = 2 ** 53;
/**
 * The time in seconds since the epoch.
 * @param {{t?: unknown}} timed
 */
function timeOf({ t }) {
  return typeof t === "number" && Number.isFinite(t) ? t : LATEST;
}

/**
 * @param {Chat} chat
 * @param {number} start
 */
async function missedIn(chat, start) {
  /** @type {Message[]} */
  const messages = [];
  /** @type {Anchor} */
  let anchor = { remote: chat.id };
  let complete = false;
  for (let pages = 0; pages < CATCH_UP_PAGES && !complete; pages += 1) {
    // A read that does not end counts as failed.
    /** @type {{messages: Message[]} | void} */
    const read = await within(CATCH_UP_READ, need("WAWebDBMessageFindLocal.msgFindBefore")({ anchor, count: CATCH_UP_ROWS }));
    if (!read) throw new Error("the database does not answer");
    /** @type {Message[]} */
    const rows = read.messages;
    messages.unshift(...rows.filter((msg) => isMissed(msg, start)));
    complete = rows.length < CATCH_UP_ROWS || !rows.some((msg) => timeOf(msg) >= start);
    anchor = rows[0]?.id;
  }
  return { messages: messages.sort((a, b) => timeOf(a) - timeOf(b)), complete };
}
/**
 * Whether a row may have been missed. A row whose key cannot be read counts, so that it is reported
 * as a fault.
 * @param {Message} msg
 * @param {number} start
 */
function isMissed(msg, start) {
  if (timeOf(msg) < start || NOT_CHAT.has(msg.type) || msg.type === "ciphertext") return false;
  return attempt(() => partsOf(msg.id).fromMe) !== true || isTaken(msg) || Boolean(msg.latestEditMsgKey);
}
