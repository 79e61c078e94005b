// Acks and inbound messages.

// Looks like a new message and is none.
const NOT_CHAT = new Set(["protocol", "e2e_notification", "notification", "notification_template", "gp2", "call_log", "reaction", "newsletter_notification", "broadcast_notification", "revoked", "debug", "keep_in_chat", "pin_message", "poll_update"]);
const MEDIA = { image: "image", video: "video", audio: "audio", ptt: "voice", document: "document", sticker: "sticker" };

const seen = new Set();
const ours = new Set();

// The gateway's own vocabulary, in which it also sends.
function content(msg) {
  if (msg.type === "chat") {
    return { kind: "text", body: msg.body ?? "", mentions: (msg.mentionedJidList ?? []).map(String), preview_links: false };
  }
  if (MEDIA[msg.type]) {
    return { kind: "media", media_kind: MEDIA[msg.type], mime_type: msg.mimetype ?? "", size_bytes: msg.size ?? 0, file_name: msg.filename ?? null, caption: msg.caption ?? null };
  }
  if (msg.type === "location") return { kind: "location", latitude: msg.lat, longitude: msg.lng, name: msg.loc || null };
  if (msg.type === "vcard") return { kind: "contact", display_name: msg.vcardFormattedName ?? "", vcard: msg.body ?? "" };
  if (msg.type === "poll_creation") {
    const options = (msg.pollOptions ?? []).map((option) => String(option.name ?? ""));
    return { kind: "poll", question: msg.pollName ?? "", options, selectable: Math.max(0, Math.trunc(msg.pollSelectableOptionsCount ?? 0)) };
  }
  return { kind: "other", type: String(msg.type), json: "{}" };
}

// A model, or a row of the database.
function tellMessage(msg, missed) {
  const key = String(msg.id);
  // Of what was missed the gateway knows better: it may have been told and not recorded.
  if (seen.has(key) && !missed) return;
  bounded(seen, key);
  const { fromMe, chat, id, participant } = partsOf(key);
  const sender = fromMe ? (msg.from ?? chat) : (msg.author ?? participant ?? msg.from ?? chat);
  emit("message", {
    missed,
    message: {
      id, chat: address(chat), sender: address(sender), fromMe, pushName: msg.notifyName ?? null,
      sentAt: Number(msg.t ?? 0) * 1000, content: content(msg), replyTo: msg.quotedStanzaID ?? null,
    },
  });
}

// Status posts are messages like any other to the page, and belong to no chat.
const isStatus = (chat) => String(chat) === "status@broadcast";

const take = safely(function take(msg) {
  if (!msg?.id || msg.isNewMsg !== true || NOT_CHAT.has(msg.type)) return;
  const { fromMe, chat, id } = partsOf(msg.id);
  if (isStatus(chat)) return;
  // Our own sends begin with ack 0; what was typed on the phone comes with the server's ack.
  if (fromMe && (ours.has(id) || !(msg.ack >= 1))) return;
  if (msg.type === "ciphertext") {
    msg.once("change:type", () => take(msg));
    return;
  }
  tellMessage(msg, false);
});

// What the page has taken and confirmed while nobody listened is not new to it any more; it is read from its database,
// backwards from the end of each chat, which changes nothing in the page. `complete` says whether that was enough. Rows
// lie in the order in which they arrived, not in that of their time: a whole page of older ones ends a chat.
const CATCH_UP_PAGES = 20;
const CATCH_UP_ROWS = 50;
async function catchUp({ since }) {
  const start = since / 1000;
  const isMissed = (msg) => msg.t >= start && !NOT_CHAT.has(msg.type) && msg.type !== "ciphertext" && (!partsOf(msg.id).fromMe || msg.ack >= 1 || msg.latestEditMsgKey);
  let complete = true;
  let told = 0;
  // The list is the live one.
  for (const chat of [...use("WAWebCollections.Chat").getModelsArray()]) {
    if (isStatus(chat.id) || !(chat.t >= start || chat.msgs.getModelsArray().some((msg) => msg.t >= start))) continue;
    const found = [];
    let anchor = { remote: chat.id };
    for (let pages = 0; ; pages += 1) {
      if (pages === CATCH_UP_PAGES) {
        complete = false;
        break;
      }
      const { messages } = await use("WAWebDBMessageFindLocal.msgFindBefore")({ anchor, count: CATCH_UP_ROWS });
      found.unshift(...messages.filter(isMissed));
      if (messages.length < CATCH_UP_ROWS || !messages.some((msg) => msg.t >= start)) break;
      anchor = messages[0].id;
    }
    for (const msg of found.sort((a, b) => a.t - b.t)) {
      told += 1;
      tellMessage(msg, true);
    }
  }
  return { told, complete };
}

// Events of a revocation and of an edit come without a message or without an ack.
const tellAck = safely(function tellAck(msg, ack) {
  if (!msg?.id || typeof ack !== "number" || ack === 0) return;
  const { fromMe, chat, id } = partsOf(msg.id);
  if (!fromMe) return;
  if (ack >= 1) emit("ack", { id, address: address(chat), level: ack });
  else tellRefused(id, chat, String(msg.errorCode ?? `ack ${ack}`));
});

function watchMessages() {
  const collection = use("WAWebCollections.Msg");
  collection.on("change:ack", tellAck);
  collection.on("add", take);
  for (const msg of [...collection.getModelsArray()]) take(msg);
}
