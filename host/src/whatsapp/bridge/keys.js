// Message keys. A key is read from its text, `<fromMe>_<chat>_<id>[_<participant>]`: builds rename
// the fields of the object, and rows of the page's database contain only the text.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WAWebDBMsgUtils.getMsgsByMsgIdsAndChatId": (ids: string[], chat: Wid) => Promise<Message[]>;
 *   "WAWebFindChatAction.findOrCreateLatestChat": (to: Wid, reason: "createChat") => Promise<{ chat: Chat }>;
 *   "WAWebSchemaMessage.getMessageTable": () => { equals(index: string[], value: string): Promise<Message[]> };
 *   "WAWebWidFactory.createWid": (text: string) => Wid;
 * }} KeysModules
 */

const KEY = /^(true|false)_([^_]+@[^_]+)_(.+?)(?:_([^_]+@[^_]+|out|in))?$/s;

/**
 * @param {MessageKey | string} key
 * @returns {KeyParts}
 */
function partsOf(key) {
  const match = KEY.exec(String(key));
  if (!match) throw new TypeError("a message key of an unknown form");
  const [, fromMe, chat = "", id = "", tail] = match;
  return { fromMe: fromMe === "true", chat: wid(chat), id, participant: tail?.includes("@") ? wid(tail) : undefined };
}
/** @param {string} text */
const wid = (text) => need("WAWebWidFactory.createWid")(text);
/**
 * Whether a key belongs to the message with that id.
 * @param {MessageKey | string} key
 * @param {string} id
 */
const isOf = (key, id) => String(key).includes(id) && attempt(() => partsOf(key).id) === id;
/**
 * Whether the server has accepted the message.
 * @param {Message} msg
 */
const isTaken = ({ ack }) => typeof ack === "number" && ack >= 1;

/** @param {Chat} chat */
function myself(chat) {
  const byLid = chat.id.isGroup?.() ? chat.groupMetadata?.isLidAddressingMode === true : chat.id.isLid?.() === true;
  return byLid ? need("WAWebUserPrefsMeUser.getMaybeMeLidUser")() : need("WAWebUserPrefsMeUser.getMaybeMePnUser")();
}
/**
 * @param {Chat} chat
 * @param {string} id
 */
function newKey(chat, id) {
  const from = myself(chat);
  const Key = need("WAWebMsgKey");
  return new Key({ from, to: chat.id, id, participant: chat.id.isGroup?.() ? from : undefined, selfDir: "out" });
}

/**
 * Opens a chat, and creates it when it is with a single user. A group that this account is not in
 * must not be created: WhatsApp Web would do so for any id.
 * @param {Wid} to
 * @returns {Promise<Chat>}
 */
async function openChat(to) {
  const there = to.isUser?.() ? undefined : need("WAWebCollections.Chat").get(to);
  if (there) return there;
  if (!to.isUser?.()) throw new CallError({ kind: "no_such_chat" });
  return (await need("WAWebFindChatAction.findOrCreateLatestChat")(to, "createChat")).chat;
}
/**
 * The forms under which a chat may be known: as it was asked for, by LID, by number.
 * @param {string} chat
 */
function formsOf(chat) {
  const { pn, lid } = address(wid(chat));
  return [...new Set([chat, lid, pn].filter((form) => form !== null))];
}

/**
 * Finds a message of a chat in memory or else in the database. After a reload only the last
 * messages of each chat are in memory.
 * @param {string} id
 * @param {string} chat
 * @param {(parts: KeyParts) => boolean} wanted
 * @returns {Promise<Located | undefined>}
 */
async function locate(id, chat, wanted) {
  const forms = formsOf(chat);
  /** @param {MessageKey | string} key */
  const isWanted = (key) => {
    const parts = partsOf(key);
    return parts.id === id && forms.includes(String(parts.chat)) && wanted(parts);
  };
  const inMemory = need("WAWebCollections.Msg").getModelsArray().find((msg) => isOf(msg.id, id) && isWanted(msg.id));
  if (inMemory) return { key: String(inMemory.id), model: inMemory };
  for (const form of forms) {
    const rows = await need("WAWebDBMsgUtils.getMsgsByMsgIdsAndChatId")([id], wid(form));
    const row = rows.find(({ id: key }) => isOf(key, id) && isWanted(key));
    if (row) return { key: String(row.id), row };
  }
  return undefined;
}
/** @param {Located} located */
async function modelOf({ key, model }) {
  return model ?? (await need("WAWebCollections.Msg").getMessagesById([key])).messages[0];
}

/**
 * Finds the revocation of a message. It replaces the message, under an id of its own, and names the
 * key of the message that it has replaced.
 * @param {string} id
 * @param {string} chat
 */
async function revocation(id, chat) {
  if (missing("find_revoked").length > 0) return undefined;
  const me = [need("WAWebUserPrefsMeUser.getMaybeMePnUser")(), need("WAWebUserPrefsMeUser.getMaybeMeLidUser")()].filter(Boolean);
  for (const form of formsOf(chat)) {
    for (const tail of form.endsWith("@g.us") ? me.map((mine) => `_${mine}`) : ["", "_out"]) {
      const rows = await need("WAWebSchemaMessage.getMessageTable")().equals(["protocolMessageKey"], `true_${form}_${id}${tail}`);
      const row = rows.find(({ type }) => type === "revoked");
      if (row) return row;
    }
  }
  return undefined;
}
