// What each kind of content looks like in WhatsApp Web, and which part of the contract it needs.

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
const SENDABLE = Object.keys(KINDS);
/**
 * Undefined: it cannot be sent.
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
