// Resolving numbers, and finding out whether there is an existing conversation.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WAWebPresenceChatAction.markComposing": (chat: Chat) => unknown;
 *   "WAWebPresenceChatAction.markPaused": (chat: Chat) => unknown;
 *   "WAWebQueryExistsJob.queryWidExists": (wid: Wid) => Promise<{ wid: Wid } | null | undefined>;
 * }} PeopleModules
 */

/** @param {{number: string}} request */
async function resolve({ number }) {
  const asked = attempt(() => wid(`${number}@c.us`));
  if (!asked) return null; // not a valid number
  try {
    const result = await need("WAWebQueryExistsJob.queryWidExists")(asked);
    if (!result) return null;
    const found = address(result.wid);
    return { ...found, pn: found.pn ?? String(asked) };
  } catch (error) {
    throw refusal(messageOf(error));
  }
}
onCall("resolve", resolve, ["resolve"]);

onCall("address", (/** @type {{chat: string}} */ { chat }) => address(wid(chat)));

// Whether a conversation exists, by the page's memory or its database. Notices that the page adds
// to every new chat do not count.
const LOOK_BACK = 20;
/** @param {{chats: string[]}} request */
async function established({ chats }) {
  const acquainted = [];
  for (const chat of chats) {
    if ((await isEstablished(chat).catch((error) => fault("established", error))) === true) acquainted.push(chat);
  }
  return acquainted;
}
/** @param {string} asked */
async function isEstablished(asked) {
  /** @param {Message} msg */
  const wasSaid = (msg) => !NOT_CHAT.has(msg.type) && (partsOf(msg.id).fromMe !== true || isTaken(msg));
  for (const form of formsOf(asked)) {
    const chat = need("WAWebCollections.Chat").get(form);
    if (!chat) continue;
    if (chat.msgs.getModelsArray().some(wasSaid)) return true;
    const find = use("WAWebDBMessageFindLocal.msgFindBefore");
    if (find && (await find({ anchor: { remote: chat.id }, count: LOOK_BACK })).messages.some(wasSaid)) return true;
  }
  return false;
}
onCall("established", established, ["established"]);

// The page itself ends the typing state after 2.5 s, so it is renewed more often than that, in
// milliseconds.
const TYPING = 2_000;
/** @param {{chat: string, millis: number}} request */
async function typing({ chat: to, millis }) {
  const chat = await openChat(wid(to));
  const end = Date.now() + millis;
  for (let left = millis; left > 0; left = end - Date.now()) {
    await need("WAWebPresenceChatAction.markComposing")(chat);
    await sleep(Math.min(left, TYPING));
  }
  await need("WAWebPresenceChatAction.markPaused")(chat);
}
onCall("typing", typing, ["typing"]);
