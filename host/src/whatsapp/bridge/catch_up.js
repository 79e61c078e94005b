// What the page has taken and confirmed while nobody listened is not new to it any more; it is read from its database,
// backwards from the end of each chat, which changes nothing in the page. Rows lie in the order in which they arrived, not in
// that of their time: a whole page of older ones ends a chat.
const CATCH_UP_PAGES = 20;
const CATCH_UP_ROWS = 50;
const CATCH_UP_WAITING = 500;
const CATCH_UP_READ = 30_000;
let catchUps = 0;
// Begins it. Its end is told behind the messages, with whether that was all of them; null: not all could be read. Another
// catch-up takes the place of one that goes on.
function catchUp({ since }) {
  catchUps += 1;
  const mine = catchUps;
  const isCurrent = () => mine === catchUps;
  const end = (outcome) => {
    if (!isCurrent()) return;
    waiting.set(`the end of catch-up ${mine}`, { since: Date.now(), end: outcome });
    tellWaiting();
  };
  readMissed(since / 1000, isCurrent).then(end, (error) => {
    fault("catching up", error);
    end({ complete: null });
  });
  return {};
}
async function readMissed(start, isCurrent) {
  let [complete, failed] = [true, false];
  // The list is the live one.
  for (const chat of [...use("WAWebCollections.Chat").getModelsArray()]) {
    if (isStatus(chat.id) || !(timeOf(chat) >= start || chat.msgs.getModelsArray().some((msg) => timeOf(msg) >= start))) continue;
    const found = await missedIn(chat, start).catch((error) => fault("catching up with a chat", error));
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
// In seconds. What has no readable time may be of any.
const LATEST = 2 ** 53;
function timeOf({ t }) {
  return Number.isFinite(t) ? t : LATEST;
}
async function missedIn(chat, start) {
  // One whose key cannot be read is told as a fault.
  const isMissed = (msg) => timeOf(msg) >= start && !NOT_CHAT.has(msg.type) && msg.type !== "ciphertext" && (attempt(() => partsOf(msg.id).fromMe) !== true || msg.ack >= 1 || msg.latestEditMsgKey);
  const messages = [];
  let anchor = { remote: chat.id };
  let complete = false;
  for (let pages = 0; pages < CATCH_UP_PAGES && !complete; pages += 1) {
    // A read that does not end is one that fails.
    const rows = (await within(CATCH_UP_READ, use("WAWebDBMessageFindLocal.msgFindBefore")({ anchor, count: CATCH_UP_ROWS }))).messages;
    messages.unshift(...rows.filter(isMissed));
    complete = rows.length < CATCH_UP_ROWS || !rows.some((msg) => timeOf(msg) >= start);
    anchor = rows[0]?.id;
  }
  return { messages: messages.sort((a, b) => timeOf(a) - timeOf(b)), complete };
}

