// Messages: collections, sending with its durable queue, acks, inbound.
const Chats = new ChatCollectionImpl();
const Msgs = new MsgCollectionImpl();
const lidByPn = new Map(), pnByLid = new Map();

function learn(pn, lid) {
  if (!pn || !lid || lidByPn.get(String(pn)) === lid) return;
  lidByPn.set(String(pn), createWid(lid));
  pnByLid.set(String(lid), createWid(pn));
  contacts.paired(createWid(pn), createWid(lid));
  db.put("model-storage", "lid-pn", { id: String(lid), pn: String(pn) }).catch(() => {});
}

function makeMsg(data, session = {}) {
  const msg = new MsgModel(
    { ...data, ack: data.ack },
    { isNewMsg: data.isNewMsg, isSendFailure: false, errorCode: undefined, ...session },
  );
  msg.serialize = () => { const out = {}; for (const k of msg.declared) if (k !== "isNewMsg") out[k] = msg.attributes[k]; return out; };
  msg.msgContextInfo = (chat) => ({
    quotedMsg: { type: msg.type, body: msg.body }, quotedStanzaID: msg.id.id, quotedParticipant: msg.author || msg.from,
    quotedRemoteJid: chat && String(chat.id || chat) !== String(msg.id.remote) ? msg.id.remote : undefined,
  });
  msg.resend = () => outbox.resend(msg);
  return msg;
}
// What belongs to a message of some kind: kept as it is, or as wids.
const FIELDS = [
  "type", "subtype", "body", "t", "ack", "notifyName", "quotedMsg", "quotedStanzaID", "title", "description", "canonicalUrl", "matchedText", "richPreviewType",
  "lat", "lng", "loc", "vcardFormattedName", "pollName", "pollOptions", "pollSelectableOptionsCount", "mimetype", "filename", "size", "caption", ...MEDIA_FIELDS,
];
const WIDS = ["from", "to", "author", "quotedParticipant", "quotedRemoteJid"];
function row(msg) {
  const out = { id: String(msg.id), keyId: msg.id.id, chat: String(msg.id.remote), fromMe: msg.id.fromMe, participant: msg.id.participant && String(msg.id.participant), rowId: rowId(msg) };
  for (const name of FIELDS) if (msg[name] !== undefined) out[name] = msg[name];
  for (const name of WIDS) if (msg[name]) out[name] = String(msg[name]);
  if (msg.mentionedJidList) out.mentionedJidList = msg.mentionedJidList.map(String);
  return out;
}
function fromRow(r) {
  const out = { id: new MsgKey({ fromMe: r.fromMe, remote: createWid(r.chat), id: r.keyId, participant: r.participant && createWid(r.participant) }), rowId: r.rowId };
  for (const name of FIELDS) out[name] = r[name];
  for (const name of WIDS) out[name] = r[name] && createWid(r[name]);
  if (r.mentionedJidList) out.mentionedJidList = r.mentionedJidList.map(createWid);
  return out;
}
async function storedMsg(serialized) { return db.get("model-storage", "message", serialized); }

function now() { return Math.floor(Date.now() / 1000); }
function localId() { return "3EB0" + hex(randomBytes(9)); }

// In a migrated account one-to-one chats are keyed by LID.
async function chatWid(wid) {
  if (!prefs.migrated() || wid.server !== "c.us") return wid;
  if (lidByPn.has(String(wid))) return lidByPn.get(String(wid));
  const found = await comms.query({ type: "exists", wid: String(wid) });
  if (!found || !found.lid) throw new Error("No LID for user");
  learn(wid, found.lid);
  return createWid(found.lid);
}
async function findOrCreateChat(asked) {
  const wid = await chatWid(userWid(asked));
  const known = Chats.get(wid);
  if (known) return { chat: known, created: false };
  const chat = makeChat(wid);
  Chats.add(chat);
  await db.put("model-storage", "chat", { id: String(wid) });
  systemMessage(chat, "e2e_notification");
  return { chat, created: true };
}
// What goes over the wire beside the body: the context of a message, and what its kind has of its own.
function context(msg) {
  const mentions = msg.mentionedJidList?.map((wid) => wid.toJid().replace("@s.whatsapp.net", "@c.us"));
  const quoted = msg.quotedStanzaID && { id: msg.quotedStanzaID, participant: String(msg.quotedParticipant), body: msg.quotedMsg.body };
  return { mentions, quoted };
}
function payload(msg) {
  switch (msg.type) {
    case "chat": return msg.subtype === "url" ? { preview: { title: msg.title, description: msg.description, canonicalUrl: msg.canonicalUrl, matchedText: msg.matchedText } } : {};
    case "location": return { location: { lat: msg.lat, lng: msg.lng, loc: msg.loc } };
    case "vcard": return { contact: msg.vcardFormattedName };
    default: return {};
  }
}

// Not chat traffic, though it looks new: every new chat begins with it.
function systemMessage(chat, type) {
  const id = new MsgKey({ fromMe: false, remote: chat.id, id: localId() });
  const msg = makeMsg({ id, from: chat.id, to: prefs.mePn(), type, body: null, t: now(), ack: undefined, isNewMsg: true });
  chat.msgs.add(msg);
  Msgs.add(msg);
}

class DuplicateMessageError extends Error { constructor() { super(""); this.name = "DuplicateMessageError"; } }

const outbox = {
  pending: new Map(),
  send(chat, data) {
    let settle;
    const sent = new Promise((resolve, reject) => { settle = { resolve, reject }; });
    sent.catch(() => {});
    const added = this.store(chat, data).then((msg) => {
      this.transmit(chat, msg).then(settle.resolve, settle.reject);
      return msg;
    });
    added.catch(settle.reject);
    return [added, sent];
  },
  async store(chat, data) {
    if (!(data.id instanceof MsgKey)) throw new TypeError("msg.id is not a MsgKey");
    if (await storedMsg(String(data.id))) throw new DuplicateMessageError();
    const msg = makeMsg({ ...data, ack: 0 });
    await db.put("model-storage", "message", row(msg));
    chat.msgs.add(msg);
    Msgs.add(msg);
    return msg;
  },
  // One chat is one queue: a send that hangs holds up those behind it.
  transmit(chat, msg) {
    const mine = (chat.sendQueue || Promise.resolve()).then(() => this.wire(chat, msg));
    chat.sendQueue = mine.catch(() => {});
    return mine;
  },
  async wire(chat, msg) {
    if (chat.contact.isContactBlocked || site.blocked.includes(chat.id.user) || site.blocked.includes((pnByLid.get(String(chat.id)) || chat.id).user)) throw new Error("SendToBlockedContact");
    await comms.whenOpen();
    return new Promise((resolve) => {
      this.pending.set(msg.id.id, { msg, resolve });
      this.stanza(msg);
    });
  },
  stanza(msg) {
    const pn = msg.id.remote.isLid() ? pnByLid.get(String(msg.id.remote)) : undefined;
    comms.send({ type: "msg", id: msg.id.id, to: String(msg.id.remote), pn: pn && String(pn), kind: msg.type, body: msg.body, ...context(msg), ...payload(msg) });
  },
  // An ack that was lost with the socket: the same stanza goes out again.
  resume() { for (const { msg } of this.pending.values()) this.stanza(msg); },
  async acked({ id, error, t }) {
    const entry = this.pending.get(id);
    if (!entry) return;
    this.pending.delete(id);
    const { msg, resolve } = entry;
    if (error) {
      msg.set({ ack: -1, isSendFailure: true, errorCode: error === 475 ? "UserReachedMaxMonthlyLimitForNewMessages" : undefined });
      await db.put("model-storage", "message", row(msg));
      return resolve({ messageSendResult: error === 429 ? "ERROR_RATE_LIMIT" : "ERROR_UNKNOWN", t, count: null });
    }
    const self = prefs.isMe(msg.id.remote);
    msg.set({ ack: Math.max(msg.ack, self ? 3 : 1), isSendFailure: false });
    await db.put("model-storage", "message", row(msg));
    resolve({ messageSendResult: "OK", t, count: null });
  },
  async resend(msg) {
    const chat = Chats.get(msg.id.remote) || (await findOrCreateChat(msg.id.remote)).chat;
    msg.set({ isSendFailure: false });
    return this.transmit(chat, msg);
  },
};

const receipts = {
  // By way of the module's export: a client that has put its own function there is called.
  take({ from, ids, level }) {
    const receipt = { stanzaId: ids[0], from: createWid(from), ack: level, ackString: level === 3 ? "read" : null, type: "simple", externalIds: ids, participant: null, recipient: null, ts: now(), offline: null };
    const kind = receipt.from.isGroup() ? ["WAWebHandleGroupChatReceipt", "handleGroupSimpleReceipt"] : ["WAWebHandleDirectChatReceipt", "handleChatSimpleReceipt"];
    return window.importNamespace(kind[0])[kind[1]](receipt);
  },
  async note({ externalIds, ack: level }) {
    for (const id of externalIds) {
      const rows = (await db.by("model-storage", "message", "keyId", id)).filter((r) => r.fromMe);
      for (const r of rows) {
        if (r.ack < level) await db.put("model-storage", "message", { ...r, ack: level });
        const msg = Msgs.get(r.id);
        if (msg && msg.ack < level && msg.ack >= 0) msg.set({ ack: level });
      }
    }
  },
};

const inbound = {
  chain: Promise.resolve(),
  take(frame) { this.chain = this.chain.then(() => this.handle(frame)).catch((error) => console.error(error)); },
  async handle(frame) {
    await mainLoaded;
    const confirm = () => comms.send({ type: "received", id: frame.id });
    learn(frame.pn, frame.lid);
    if (!frame.fromMe) contacts.name(createWid(frame.pn), { pushname: frame.pushname });
    const wid = frame.group ? createWid(frame.group) : createWid(prefs.migrated() ? frame.lid || frame.pn : frame.pn || frame.lid);
    let chat = Chats.get(wid);
    if (!chat) {
      chat = makeChat(wid, frame.pushname);
      Chats.add(chat);
      await db.put("model-storage", "chat", { id: String(wid) });
      systemMessage(chat, "e2e_notification");
      if (!frame.fromMe) systemMessage(chat, "notification_template");
    }
    const sender = createWid(prefs.migrated() ? frame.lid || frame.pn : frame.pn || frame.lid);
    const me = prefs.migrated() ? prefs.meLid() : prefs.mePn();
    const key = new MsgKey({ fromMe: !!frame.fromMe, remote: wid, id: frame.id, participant: frame.group && !frame.fromMe ? sender : undefined });
    if (await storedMsg(String(key))) return void confirm(); // the receipt goes again, no second add
    const type = frame.ciphertext ? "ciphertext" : frame.kind || "chat";
    // Everything of the kind's own is decrypted with the body.
    const said = { body: ["chat", "vcard"].includes(frame.kind || "chat") ? frame.body : undefined, ...frame.fields };
    if (frame.mentions?.length > 0) said.mentionedJidList = frame.mentions.map(createWid);
    const msg = makeMsg({
      id: key, from: frame.fromMe ? me : wid, to: frame.fromMe ? wid : me, author: frame.group ? (frame.fromMe ? me : sender) : undefined, type,
      t: frame.t || now(), ack: 1, notifyName: frame.pushname, quotedStanzaID: frame.quoted || undefined, isNewMsg: true, ...(frame.ciphertext ? {} : said),
    });
    await db.put("model-storage", "message", row(msg));
    // Whether or not anybody listens: what is stored is confirmed and not sent again.
    confirm();
    chat.msgs.add(msg);
    Msgs.add(msg);
    if (!frame.fromMe) chat.set({ unreadCount: chat.unreadCount + 1, lastReceivedKey: key });
    if (frame.ciphertext) setTimeout(() => { msg.set(said); msg.set({ type: frame.kind || "chat" }); db.put("model-storage", "message", row(msg)).catch(() => {}); }, 100);
  },
};

// After a restart only the last message of each chat is in memory; what never got an ack is flagged and not sent by itself.
async function restore() {
  for (const r of await db.all("model-storage", "lid-pn")) { lidByPn.set(r.pn, createWid(r.id)); pnByLid.set(r.id, createWid(r.pn)); }
  await contacts.restore();
  for (const r of await db.all("model-storage", "chat")) if (!Chats.get(r.id)) Chats.add(makeChat(createWid(r.id)));
  const rows = await db.all("model-storage", "message");
  for (const chat of Chats.getModelsArray()) {
    const last = rows.filter((r) => r.chat === String(chat.id)).sort((a, b) => a.rowId - b.rowId).pop();
    if (last) chat.msgs.add(Msgs.add(restored(last)));
  }
}
// What is before the oldest loaded message of a chat, a page of it.
async function loadEarlierMsgs({ chat }) {
  const loaded = chat.msgs.getModelsArray();
  const rows = (await db.all("model-storage", "message")).filter((r) => r.chat === String(chat.id) && !chat.msgs.get(r.id));
  const oldest = Math.min(...loaded.map((msg) => msg.t));
  const earlier = rows.filter((r) => loaded.length === 0 || r.t <= oldest).sort((a, b) => a.t - b.t).slice(-EARLIER);
  const models = earlier.map((r) => Msgs.get(r.id) || restored(r));
  chat.msgs.add(Msgs.add(models));
  return models;
}
const EARLIER = 50;
function restored(r) { return makeMsg({ ...fromRow(r), isNewMsg: null }, { isSendFailure: r.fromMe && r.ack <= 0 }); }
