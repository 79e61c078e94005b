// Sending a message of any kind, with the message that it replies to.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WAWebGetEphemeralFieldsMsgActionsUtils.getEphemeralFields": (chat: Chat) => Record<string, unknown> | undefined;
 *   "WAWebMsgReply.canReplyMsg": (message: Message) => boolean;
 *   "WAWebSendMsgChatAction.addAndSendMsgToChat": (chat: Chat, message: object) => [Promise<unknown>, SendResult];
 * }} SendModules
 */

/**
 * The fields that quote a message. It must be in this chat: words of another chat must not be shown
 * here.
 * @param {Chat} chat
 * @param {string} id
 */
async function quoteFields(chat, id) {
  const there = await locate(id, String(chat.id), () => true);
  const msg = there && (await modelOf(there));
  if (!msg) throw new CallError({ kind: "quote_not_found", reason: "there is no message of that id in this chat" });
  if (!need("WAWebMsgReply.canReplyMsg")(msg.unsafe?.() ?? msg)) {
    throw new CallError({ kind: "quote_not_found", reason: "WhatsApp Web does not let this message be answered" });
  }
  return msg.msgContextInfo(chat.id);
}

/**
 * Ids of messages that are being prepared. Until such a message is handed over, its absence does
 * not mean that it was never sent.
 * @type {Set<string>}
 */
const making = new Set();

/** @param {SendRequest} request */
async function send(request) {
  const { id } = request;
  let ready;
  making.add(id);
  try {
    ready = await made(request);
  } finally {
    making.delete(id);
  }
  const { chat, message } = ready;
  bounded(ours, id);
  refusedTold.delete(id);
  watchCodes();
  const [added, sent] = need("WAWebSendMsgChatAction.addAndSendMsgToChat")(chat, message);
  follow(sent, id, chat.id);
  try {
    await added;
    return { ...placeOf(message.id, chat.id), duplicate: false };
  } catch (error) {
    if (isDuplicate(error)) return { ...placeOf(message.id, chat.id), duplicate: true };
    throw error;
  }
}
/** @param {SendRequest} request */
function sendNeeds({ content, replyTo }) {
  const kind = kindOf(content);
  /** @type {Capability[]} */
  const reply = replyTo ? ["reply"] : [];
  return kind ? [kind.needs, ...reply] : reply;
}
onCall("send", send, sendNeeds);

/**
 * The message in the page's own form. An error here means that nothing was begun.
 * @param {SendRequest} request
 */
async function made({ id, chat: to, content, replyTo }) {
  const kind = kindOf(content);
  if (!kind) {
    throw refusal(`a message of the kind ${content.kind} cannot be sent yet; those that can are ${SENDABLE.join(", ")}`);
  }
  try {
    const chat = await openChat(wid(to));
    const quote = replyTo ? await quoteFields(chat, replyTo) : undefined;
    const fields = await kind.make(content, chat, id);
    const from = myself(chat);
    const message = {
      ...fields,
      id: newKey(chat, id),
      from,
      to: chat.id,
      t: Math.floor(Date.now() / 1000),
      ack: 0,
      local: true,
      self: "out",
      isNewMsg: true,
      viewMode: "VISIBLE",
      ...use("WAWebGetEphemeralFieldsMsgActionsUtils.getEphemeralFields")?.(chat),
      ...quote,
    };
    return { chat, message };
  } catch (error) {
    if (error instanceof CallError && error.failure.kind === "quote_not_found") throw error;
    // A page that is logging out or reloading has not refused the message.
    if (!isUsable()) throw new CallError({ kind: "booting" });
    throw error instanceof CallError ? error : refusal(messageOf(error));
  }
}

/** @param {any} error */
const isDuplicate = (error) => error?.name === "DuplicateMessageError";
/**
 * Follows the result of a send. The promise resolves for most failures; it rejects for a duplicate,
 * which is no failure, and for a blocked contact.
 * @param {SendResult} sent
 * @param {string} id
 * @param {Wid} chat
 */
function follow(sent, id, chat) {
  /** @param {any} error */
  const rejected = (error) => {
    if (isDuplicate(error)) return;
    const isBlocked = /block/i.test(`${error?.name} ${error?.message}`);
    tellRefused(id, chat, isBlocked ? "ContactBlocked" : error?.name || "rejected");
  };
  /** @param {Awaited<SendResult>} result */
  const ended = (result) => {
    if (result && result.messageSendResult !== "OK") tellRefused(id, chat, String(result.messageSendResult));
  };
  sent.then(ended, rejected);
}
