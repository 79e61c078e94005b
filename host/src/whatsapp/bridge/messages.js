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

function tellMessage(msg, missed) {
  const key = String(msg.id);
  // Of what was missed the gateway knows better: it may have been told and not recorded.
  if (seen.has(key) && !missed) return;
  bounded(seen, key);
  const fromMe = msg.id.fromMe === true;
  const sender = fromMe ? (msg.from ?? msg.id.remote) : (msg.author ?? msg.id.participant ?? msg.from ?? msg.id.remote);
  emit("message", {
    missed,
    message: {
      id: msg.id.id, chat: address(msg.id.remote), sender: address(sender), fromMe, pushName: msg.notifyName ?? null,
      sentAt: Number(msg.t ?? 0) * 1000, content: content(msg), replyTo: msg.quotedStanzaID ?? null,
    },
  });
}

const take = safely((msg) => {
  if (!msg?.id || msg.isNewMsg !== true || NOT_CHAT.has(msg.type)) return;
  // Our own sends begin with ack 0; what was typed on the phone comes with the server's ack.
  if (msg.id.fromMe && (ours.has(msg.id.id) || !(msg.ack >= 1))) return;
  if (msg.type === "ciphertext") {
    msg.once("change:type", safely(() => take(msg)));
    return;
  }
  tellMessage(msg, false);
});

// What the page has taken and confirmed while nobody listened is not new to it any more; it is read from its database,
// backwards from what is loaded. Pages of a chat; `complete` says whether that was enough.
const CATCH_UP_PAGES = 20;
async function catchUp({ since }) {
  const start = since / 1000;
  const isMissed = (msg) => msg.t >= start && !NOT_CHAT.has(msg.type) && msg.type !== "ciphertext" && !(msg.id.fromMe && !(msg.ack >= 1));
  let complete = true;
  let told = 0;
  for (const chat of use("WAWebCollections.Chat").getModelsArray()) {
    const loaded = () => chat.msgs.getModelsArray();
    if (!loaded().some((msg) => msg.t >= start)) continue;
    for (let pages = 0; loaded().every((msg) => msg.t >= start); pages += 1) {
      const more = pages < CATCH_UP_PAGES ? await use("WAWebChatLoadMessages.loadEarlierMsgs")({ chat }) : null;
      complete &&= more !== null;
      if (!more?.length) break;
    }
    for (const msg of loaded().filter(isMissed).sort((a, b) => a.t - b.t)) {
      told += 1;
      tellMessage(msg, true);
    }
  }
  return { told, complete };
}

const tellAck = safely((msg, ack) => {
  if (msg?.id?.fromMe !== true) return;
  if (ack >= 1) emit("ack", { id: msg.id.id, address: address(msg.id.remote), level: ack });
  else if (ack < 0) tellRefused(msg.id.id, msg.id.remote, String(msg.errorCode ?? `ack ${ack}`));
});
function tellRefused(id, chat, reason) {
  emit("refused", { id, address: address(chat), reason, locked: isTimelocked() });
}
const isTimelocked = () => use("WAWebReachoutTimelockUtils.isUserReachoutTimelocked")?.() === true;

function watchMessages() {
  const collection = use("WAWebCollections.Msg");
  collection.on("change:ack", tellAck);
  collection.on("add", take);
  for (const msg of collection.getModelsArray()) take(msg);
}
