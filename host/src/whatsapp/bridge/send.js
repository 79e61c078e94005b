// Sending: what each kind of content looks like in WhatsApp Web, which part of the contract it needs, and the one way out.

/**
 * A kind that is not in this table cannot be sent. What a maker returns goes into the message.
 * @type {{[K in Content["kind"]]?: Kind<Extract<Content, {kind: K}>>}}
 */
const KINDS = {
  text: { needs: "send_text", make: textFields },
  location: {
    needs: "send_text",
    make: ({ latitude, longitude, name }) => ({ type: "location", lat: latitude, lng: longitude, loc: name ?? undefined }),
  },
  contact: {
    needs: "send_text",
    make: ({ display_name, vcard }) => ({ type: "vcard", body: vcard, vcardFormattedName: display_name }),
  },
};
/**
 * @param {Content} content
 * @returns {Kind<any> | undefined}
 */
const kindOf = (content) => (Object.hasOwn(KINDS, content.kind) ? KINDS[content.kind] : undefined);

/**
 * @param {TextContent} content
 * @param {Chat} chat
 * @param {string} id
 */
function textFields({ body, mentions }, chat, id) {
  const fields = mentions.length > 0 ? mentioning(body, mentions, chat) : { body };
  const found = previews.get(id);
  previews.delete(id);
  return { ...(found ? { ...found, ...fields, subtype: "url", preview: true } : fields), type: "chat" };
}
/**
 * A group that speaks in LIDs shows a mention only by LID, in the text as in the list.
 * @param {string} text
 * @param {string[]} mentions
 * @param {Chat} chat
 */
function mentioning(text, mentions, chat) {
  const byLid = chat.id.isGroup?.() && chat.groupMetadata?.isLidAddressingMode === true;
  let body = text;
  const mentionedJidList = mentions.map((mention) => {
    const mentioned = wid(mention);
    const lid = byLid && !mentioned.isLid?.() ? use("WAWebApiContact.getCurrentLid")?.(mentioned) : undefined;
    if (!lid) return mentioned;
    body = body.replace(new RegExp(`@${mentioned.user}(?![0-9])`, "g"), `@${lid.user}`);
    return lid;
  });
  return { body, mentionedJidList };
}

/**
 * The message that is answered must be in this chat: another one's words are not for these eyes.
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
 * Ids whose message is being made, which may wait for a preview: until it is handed over nobody can say that it is not there.
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
 * The message in the page's own form. What fails here has begun nothing.
 * @param {SendRequest} request
 */
async function made({ id, chat: to, content, replyTo }) {
  const kind = kindOf(content);
  if (!kind) {
    throw refusal(`a message of the kind ${content.kind} cannot be sent yet; those that can are ${Object.keys(KINDS).join(", ")}`);
  }
  try {
    const chat = await openChat(wid(to));
    const quote = replyTo ? await quoteFields(chat, replyTo) : undefined;
    const fields = kind.make(content, chat, id);
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
    // A page that is being logged out or loaded anew has nothing against the message.
    if (!isUsable()) throw new CallError({ kind: "booting" });
    throw error instanceof CallError ? error : refusal(messageOf(error));
  }
}

/** @param {any} error */
const isDuplicate = (error) => error?.name === "DuplicateMessageError";
/**
 * The result resolves for most failures; it rejects for a duplicate, which is no failure, and a blocked contact.
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
