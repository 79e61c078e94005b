// The kinds of content in WhatsApp Web: how each is read from its messages, and how it is made.

/**
 * The content of a message, as `model/content/bridge.rs` writes and reads it.
 * @typedef {TextContent
 *   | MediaContent
 *   | { kind: "location", latitude: number, longitude: number, name: string | null }
 *   | { kind: "contact", display_name: string, vcard: string }
 *   | { kind: "poll", question: string, options: string[], selectable: number }
 *   | { kind: "other", type: string | null, json: string }
 * } Content
 */

/** @type {Record<string, string>} WhatsApp Web's names of media types, and ours. */
const MEDIA = { image: "image", video: "video", audio: "audio", ptt: "voice", document: "document", sticker: "sticker" };
/** @type {Record<string, string>} Our names of what is special about a file, and WhatsApp Web's fields. */
const TRAITS = { gif: "isGif", view_once: "isViewOnce", animated: "isAnimated", waveform: "waveform" };
const PIXELS = 2 ** 32 - 1;
/** @param {unknown} value A duration in seconds, as a number or a text. */
const milliseconds = (value) =>
  wholeNumber(typeof value === "string" || typeof value === "number" ? Math.round(Number(value) * 1000) : 0, Number.MAX_SAFE_INTEGER) || null;
/**
 * The only list of the kinds in the page. The gateway's list is `Content`; its form at the bridge
 * is what is read and accepted here.
 * @type {{[K in ReadableKind]: Kind<Extract<Content, {kind: K}>>}}
 */
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
      media_kind: MEDIA[type] ?? "document",
      mime_type: text(get("mimetype"), SHORT) ?? "",
      size_bytes: wholeNumber(get("size"), Number.MAX_SAFE_INTEGER),
      file_name: text(get("filename"), SHORT),
      caption: text(get("caption"), LONG),
      details: {
        mentions: ids(get("mentionedJidList")),
        width: wholeNumber(get("width"), PIXELS) || null,
        height: wholeNumber(get("height"), PIXELS) || null,
        duration_ms: milliseconds(get("duration")),
        traits: Object.keys(TRAITS).filter((name) => get(/** @type {string} */ (TRAITS[name]))),
      },
    }),
  },
  location: {
    types: ["location"],
    read: (get) => {
      const [latitude, longitude] = [degrees(get("lat"), 90), degrees(get("lng"), 180)];
      if (latitude === undefined || longitude === undefined) return undefined;
      return { latitude, longitude, name: text(get("loc"), SHORT) || null };
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

/** @type {Map<string, Kind<any>>} */
const KINDS_BY_NAME = new Map(Object.entries(KINDS));
const SENDABLE = [...KINDS_BY_NAME].filter(([, kind]) => kind.make).map(([name]) => name);
/**
 * How to send content of this kind; undefined if it cannot be sent.
 * @param {Content} content
 * @returns {SendableKind | undefined}
 */
function kindOf(content) {
  const kind = KINDS_BY_NAME.get(content.kind);
  return kind?.make && kind.needs ? { needs: kind.needs, make: kind.make } : undefined;
}

/** The readers, by WhatsApp Web's names of message types. */
const READERS = new Map(
  [...KINDS_BY_NAME].flatMap(([kind, { types, read }]) => types.map((type) => /** @type {const} */ ([type, { kind, read }]))),
);
/**
 * The content of a model or a row. No field is trusted; content that no kind can read is reported
 * as `other`.
 * @param {Reader} get
 * @returns {Content}
 */
function contentOf(get) {
  const type = attempt(() => String(get("type"))) ?? "unknown";
  const found = READERS.get(type);
  const fields = found?.read(get, type);
  return found && fields ? /** @type {Content} */ ({ kind: found.kind, ...fields }) : { kind: "other", type: text(type, SHORT), json: "{}" };
}

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
 * Adds mentions. A group that is addressed by LID shows a mention only by LID, in the text as well
 * as in the list.
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
