// Finding out what became of messages of this account, and sending one again that the page has and
// the server does not.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WAWebSendMsgChatAction.resendMsgToChat": (chat: Chat, message: Promise<Message>) => SendResult;
 * }} SentModules
 */

/**
 * @param {{id: string, chat: string}} request
 * @returns {Promise<FoundMessage | null>}
 */
async function find({ id, chat }) {
  if (making.has(id)) throw new Error("the message is being made");
  const there = await locate(id, chat, ({ fromMe }) => fromMe);
  if (there) return { ...placeOf(there.key, partsOf(there.key).chat), ...stateOf(there.model, there.row) };
  const revoked = await revocation(id, chat);
  if (!revoked) return null;
  // Only a message that the server had can have been revoked.
  return { ...placeOf(revoked.id, partsOf(revoked.id).chat), ack: Math.max(1, revoked.ack ?? 0), failed: false };
}
onCall("find", find, ["find"]);

/**
 * @param {MessageKey | string} key
 * @param {Wid} chat
 */
const placeOf = (key, chat) => ({ key: String(key), address: address(chat) });

/**
 * The state of a message. An edit resets the ack to 0, on the phone permanently; an edited message
 * was sent before.
 * @param {Message | undefined} model
 * @param {Message | undefined} row
 */
function stateOf(model, row) {
  const ack = (model ?? row)?.ack ?? 0;
  if ((model ?? row)?.latestEditMsgKey) return { ack: Math.max(1, ack), failed: false };
  // A message that is stored and not in memory is from an earlier document; the page does not send
  // it by itself.
  return { ack, failed: model ? model.isSendFailure === true || ack < 0 : !(ack >= 1) };
}

/** @param {{id: string, chat: string}} request */
async function resend({ id, chat: to }) {
  const there = await locate(id, to, ({ fromMe }) => fromMe);
  const msg = there && (await modelOf(there));
  if (!msg) throw refusal("the page does not know this message any more");
  if (stateOf(msg, undefined).ack >= 1) throw refusal("the server has this message already");
  const { chat } = partsOf(there.key);
  bounded(ours, id);
  refusedTold.delete(id);
  watchCodes();
  follow(need("WAWebSendMsgChatAction.resendMsgToChat")(await openChat(chat), Promise.resolve(msg)), id, chat);
}
onCall("resend", resend, ["resend"]);
