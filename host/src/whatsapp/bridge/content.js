// What a message says, in the gateway's own vocabulary, in which it also sends.
//
// The fields come from somebody else's program by way of WhatsApp Web's: any of them may be of another type than it should
// be. One odd field costs that field and not the message; what cannot be said without it is told as `other`.

// In UTF-16 units. A phone writes at most 65,536 characters.
const LONG = 131_072;
const SHORT = 1_024;
const MENTIONS = 2_048;
const OPTIONS = 100;

const MEDIA = new Map(Object.entries({ image: "image", video: "video", audio: "audio", ptt: "voice", document: "document", sticker: "sticker" }));
/** @type {Map<string, (get: Reader) => Content | undefined>} */
const KINDS_READ = new Map(Object.entries({
  chat: (get) => ({ kind: "text", body: text(get("body"), LONG) ?? "", mentions: ids(get("mentionedJidList")), preview_links: false }),
  location: (get) => {
    const [latitude, longitude] = [degrees(get("lat"), 90), degrees(get("lng"), 180)];
    return latitude === undefined || longitude === undefined ? undefined : { kind: "location", latitude, longitude, name: text(get("loc"), SHORT) || null };
  },
  vcard: (get) => ({ kind: "contact", display_name: text(get("vcardFormattedName"), SHORT) ?? "", vcard: text(get("body"), LONG) ?? "" }),
  poll_creation: (get) => ({
    kind: "poll", question: text(get("pollName"), LONG) ?? "", options: list(get("pollOptions"), OPTIONS).map((option) => text(attempt(() => option.name), SHORT) ?? ""),
    selectable: wholeNumber(get("pollSelectableOptionsCount"), 2 ** 32 - 1),
  }),
}));
/**
 * @param {Reader} get
 * @param {string} media_kind
 * @returns {Content}
 */
function media(get, media_kind) {
  const size_bytes = wholeNumber(get("size"), Number.MAX_SAFE_INTEGER);
  const mime_type = text(get("mimetype"), SHORT) ?? "";
  return { kind: "media", media_kind, mime_type, size_bytes, file_name: text(get("filename"), SHORT), caption: text(get("caption"), LONG) };
}

/**
 * A model or a row; nothing of it is trusted but its key.
 * @param {Reader} get
 * @returns {Content}
 */
function content(get) {
  const type = attempt(() => String(get("type"))) ?? "unknown";
  const media_kind = MEDIA.get(type);
  const read = media_kind ? () => media(get, media_kind) : KINDS_READ.get(type);
  return read?.(get) ?? { kind: "other", type: text(type, SHORT), json: "{}" };
}
/**
 * @param {any} msg
 * @returns {Reader}
 */
const reader = (msg) => (name) => attempt(() => msg[name]);

/**
 * @param {unknown} value
 * @param {number} limit
 */
const text = (value, limit) => (typeof value === "string" ? cut(value, limit) : null);
/**
 * Whoever reads the text sees that there was more of it.
 * @param {string} value
 * @param {number} limit
 */
function cut(value, limit) {
  if (value.length <= limit) return value;
  return `${value.slice(0, limit).replace(/[\uD800-\uDBFF]$/, "")}… [cut: ${value.length} characters]`;
}
/** @param {any} value @param {number} most */
const wholeNumber = (value, most) => (Number.isSafeInteger(value) && value >= 0 && value <= most ? value : 0);
/** @param {any} value @param {number} most */
const degrees = (value, most) => (Number.isFinite(value) && Math.abs(value) <= most ? value : undefined);
/** @param {any} value @param {number} most @returns {any[]} */
const list = (value, most) => (Array.isArray(value) ? value.slice(0, most) : []);
/** @param {any} value A Wid, or its text. */
const isId = (value) => /^[^\s@]{1,128}@[a-z.]{1,32}$/.test(attempt(() => (value ?? "").toString()));
/** @param {any} value */
const ids = (value) => list(value, MENTIONS).filter(isId).map(String);
/** @param {any} seconds Up to the year 5138; what has no readable time is of now. */
const moment = (seconds) => (Number.isFinite(seconds) && seconds > 0 && seconds < 1e11 ? Math.trunc(seconds * 1000) : Date.now());

/**
 * The message as it is told. Fails only when its key cannot be read.
 * @param {Message} msg
 */
function shape(msg) {
  const get = reader(msg);
  const { fromMe, chat, id, participant } = partsOf(msg.id);
  const sender = (fromMe ? [get("from")] : [get("author"), participant, get("from")]).find(isId) ?? chat;
  return {
    id, chat: address(chat), sender: address(sender), fromMe, pushName: text(get("notifyName"), SHORT), sentAt: moment(get("t")), content: content(get),
    replyTo: text(get("quotedStanzaID"), SHORT) || null,
  };
}
