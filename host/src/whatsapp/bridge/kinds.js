// The kinds of content: how each is read from WhatsApp Web's messages, and how it is made of the gateway's. The one list of
// them in the page; the gateway's own is `Content`, whose form at the bridge is what is read and taken here.
//
// `types` are WhatsApp Web's names of the messages that `read` makes a content of; it answers undefined when what the kind
// cannot do without is not there. A kind that has a `make` can be sent: what it returns, or promises, goes into the message,
// and `needs` names the part of the contract that it takes.
const MEDIA = { image: "image", video: "video", audio: "audio", ptt: "voice", document: "document", sticker: "sticker" };
const KINDS = {
  text: {
    types: ["chat"],
    read: (get) => ({ body: text(get("body"), LONG) ?? "", mentions: ids(get("mentionedJidList")), preview_links: false }),
    needs: "send_text",
    make: textFields,
  },
  media: {
    types: Object.keys(MEDIA),
    read: (get, type) => ({
      media_kind: MEDIA[type], mime_type: text(get("mimetype"), SHORT) ?? "", size_bytes: wholeNumber(get("size"), Number.MAX_SAFE_INTEGER),
      file_name: text(get("filename"), SHORT), caption: text(get("caption"), LONG),
    }),
  },
  location: {
    types: ["location"],
    read: (get) => {
      const [latitude, longitude] = [degrees(get("lat"), 90), degrees(get("lng"), 180)];
      return latitude === undefined || longitude === undefined ? undefined : { latitude, longitude, name: text(get("loc"), SHORT) || null };
    },
    needs: "send_text",
    make: ({ latitude, longitude, name }) => ({ type: "location", lat: latitude, lng: longitude, loc: name ?? undefined }),
  },
  contact: {
    types: ["vcard"],
    read: (get) => ({ display_name: text(get("vcardFormattedName"), SHORT) ?? "", vcard: text(get("body"), LONG) ?? "" }),
    needs: "send_text",
    make: ({ display_name, vcard }) => ({ type: "vcard", body: vcard, vcardFormattedName: display_name }),
  },
  poll: {
    types: ["poll_creation"],
    read: (get) => ({
      question: text(get("pollName"), LONG) ?? "",
      options: list(get("pollOptions"), OPTIONS).map((option) => text(attempt(() => option.name), SHORT) ?? ""),
      selectable: wholeNumber(get("pollSelectableOptionsCount"), 2 ** 32 - 1),
    }),
  },
};

const SENDABLE = Object.keys(KINDS).filter((kind) => KINDS[kind].make);
// Undefined: it cannot be sent.
const kindOf = (content) => (SENDABLE.includes(content.kind) ? KINDS[content.kind] : undefined);

// By WhatsApp Web's names.
const READERS = new Map(Object.entries(KINDS).flatMap(([kind, { types, read }]) => types.map((type) => [type, { kind, read }])));
// A model or a row; nothing of it is trusted but its key. What no kind can read is told as `other`.
function content(get) {
  const type = attempt(() => String(get("type"))) ?? "unknown";
  const found = READERS.get(type);
  const fields = found?.read(get, type);
  return found && fields ? { kind: found.kind, ...fields } : { kind: "other", type: text(type, SHORT), json: "{}" };
}

function textFields({ body, mentions }, chat, id) {
  const fields = mentions.length > 0 ? mentioning(body, mentions, chat) : { body };
  const found = previews.get(id);
  previews.delete(id);
  return { ...(found ? { ...found, ...fields, subtype: "url", preview: true } : fields), type: "chat" };
}
// A group that speaks in LIDs shows a mention only by LID, in the text as in the list.
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
