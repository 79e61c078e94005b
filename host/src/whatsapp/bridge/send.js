// Sending: a message of whatever kind, what it answers, and the one way out.

// The message that is answered must be in this chat: another one's words are not for these eyes.
async function quoteOf(chat, id) {
  const there = await locate(id, String(chat.id), () => true);
  const msg = there && (await modelOf(there));
  if (!msg) return { unquotable: "there is no message of that id in this chat" };
  if (!use("WAWebMsgReply.canReplyMsg")(msg.unsafe?.() ?? msg)) return { unquotable: "WhatsApp Web does not let this message be answered" };
  return { fields: msg.msgContextInfo(chat.id) };
}

// Ids whose message is being made, which may wait for a preview: until it is handed over nobody can say that it is not there.
const making = new Set();

async function send({ id, chat: to, content, replyTo }) {
  const kind = kindOf(content);
  if (!kind) return refused(`a message of the kind ${content.kind} cannot be sent yet; those that can are ${SENDABLE.join(", ")}`);
  let chat, message;
  making.add(id);
  try {
    chat = await openChat(wid(to));
    const quote = replyTo ? await quoteOf(chat, replyTo) : undefined;
    if (quote?.unquotable) return quote;
    const fields = await kind.make(content, chat, id);
    const from = myself(chat);
    message = {
      ...fields,
      id: newKey(chat, id), from, to: chat.id, t: Math.floor(Date.now() / 1000), ack: 0, local: true, self: "out", isNewMsg: true, viewMode: "VISIBLE",
      ...(use("WAWebGetEphemeralFieldsMsgActionsUtils.getEphemeralFields")?.(chat) ?? {}),
      ...quote?.fields,
    };
  } catch (error) {
    if (error instanceof NoSuchChat && isUsable()) return { noChat: true };
    // A page that is being logged out or loaded anew has nothing against the message.
    return isUsable() ? refused(error?.message ?? error) : { booting: true };
  } finally {
    making.delete(id);
  }
  bounded(ours, id);
  refusedTold.delete(id);
  watchCodes();
  const [added, sent] = use("WAWebSendMsgChatAction.addAndSendMsgToChat")(chat, message);
  follow(sent, id, chat.id);
  try {
    await added;
    return known(message.id, chat.id, { duplicate: false });
  } catch (error) {
    if (error?.name === "DuplicateMessageError") return known(message.id, chat.id, { duplicate: true });
    throw error;
  }
}
// The result resolves for most failures; it rejects for a duplicate, which is no failure, and a blocked contact.
function follow(sent, id, chat) {
  sent.then(
    (result) => { if (result && result.messageSendResult !== "OK") tellRefused(id, chat, String(result.messageSendResult)); },
    (error) => { if (error?.name !== "DuplicateMessageError") tellRefused(id, chat, /block/i.test(`${error?.name} ${error?.message}`) ? "ContactBlocked" : error?.name || "rejected"); },
  );
}
