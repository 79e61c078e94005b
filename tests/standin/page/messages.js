// Messages: collections, sending with its stored queue, acks, and inbound messages.
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
  // Clients also pass what they know of the file; a message has no such fields.
  const own = Object.fromEntries(Object.entries(data).filter(([name]) => !ONLY_MEDIA_DATA.has(name)));
  // The type may be anything: it is what a sender's program wrote.
  if (own.mimetype == null && typeof data.type === "string" && Object.hasOwn(USUAL_MIME_TYPES, data.type)) own.mimetype = USUAL_MIME_TYPES[data.type];
  const msg = new MsgModel(
    { ...own, ack: data.ack },
    { isNewMsg: data.isNewMsg, isSendFailure: false, errorCode: undefined, ...session },
  );
  msg.serialize = () => { const out = {}; for (const k of msg.declared) if (k !== "isNewMsg") out[k] = msg.attributes[k]; return out; };
  msg.msgContextInfo = (chat) => ({
    quotedMsg: { type: msg.type, body: msg.body }, quotedStanzaID: msg.id.id, quotedParticipant: msg.author || msg.from,
    quotedRemoteJid: chat && String(chat.id || chat) !== String(msg.id.remote) ? msg.id.remote : undefined,
  });
  // Only a message that was not sent is sent again; one whose file was not uploaded uploads it first.
  msg.resend = async () => {
    if (!msg.isSendFailure && !(msg.id.fromMe && msg.ack < 0)) return undefined;
    await updateMsg(msg, { ack: 0, isSendFailure: false });
    const result = await (msg.type in MEDIA_KEYS ? resumeUploadMsg(msg) : outbox.resend(Promise.resolve(msg)));
    return result?.messageSendResult;
  };
  return msg;
}
async function outgoingBase(chat, type) {
  const id = new MsgKey({ from: prefs.mePn(), to: chat.id, id: await MsgKey.newId(), selfDir: "out" });
  return { id, from: chat.id.isLid() ? prefs.meLid() : prefs.mePn(), to: chat.id, type, t: now(), ack: 0, local: true, self: "out", isNewMsg: true, viewMode: "VISIBLE" };
}
// The fields of messages that are stored unchanged, and those that are stored as wids or keys.
const FIELDS = [
  "type", "subtype", "body", "t", "ack", "notifyName", "quotedMsg", "quotedStanzaID", "title", "description", "canonicalUrl", "matchedText", "richPreviewType",
  "lat", "lng", "loc", "vcardFormattedName", "pollName", "pollOptions", "pollSelectableOptionsCount", "mimetype", "filename", "size", "caption", ...MEDIA_FIELDS,
  "isSendFailure", "errorCode",
];
const WIDS = ["from", "to", "author", "quotedParticipant", "quotedRemoteJid"];
const KEYS = ["latestEditMsgKey", "protocolMessageKey"];
function row(msg) {
  const out = { id: String(msg.id), keyId: msg.id.id, chat: String(msg.id.remote), fromMe: msg.id.fromMe, participant: msg.id.participant && String(msg.id.participant), rowId: rowId(msg) };
  Object.assign(out, rowFields(msg));
  for (const name of [...WIDS, ...KEYS]) if (msg[name]) out[name] = oddOr(String)(msg[name]);
  if (msg.mentionedJidList) out.mentionedJidList = eachOf(msg.mentionedJidList, oddOr(String));
  return out;
}
function rowFields(values) { return Object.fromEntries(FIELDS.filter((name) => values[name] !== undefined).map((name) => [name, values[name]])); }
// Malformed values of a sender's program are stored unchanged.
const eachOf = (list, make) => (Array.isArray(list) ? list.map(make) : list);
const oddOr = (make) => (value) => { try { return make(value); } catch { return value; } };
function fromRow(r) {
  const out = { id: new MsgKey({ fromMe: r.fromMe, remote: createWid(r.chat), id: r.keyId, participant: r.participant && createWid(r.participant) }), rowId: r.rowId };
  for (const name of FIELDS) out[name] = r[name];
  for (const name of WIDS) out[name] = r[name] && oddOr(createWid)(r[name]);
  for (const name of KEYS) if (r[name]) out[name] = MsgKey.fromString(r[name]);
  if (r.mentionedJidList) out.mentionedJidList = eachOf(r.mentionedJidList, oddOr(createWid));
  return out;
}
// Raw rows of the table: ids are strings, and the content of a message is encrypted.
const SEALED = new Set(["keyId", "chat", "fromMe", "participant", "body", "caption", "title", "description", "lat", "lng", "loc", "quotedMsg", "pollName"]);
function raw(r) {
  const out = Object.fromEntries(Object.entries(r).filter(([name]) => !SEALED.has(name)));
  return { ...out, internalId: `${r.chat}_${r.keyId}_m`, to: {}, msgRowOpaqueData: new ArrayBuffer(8) };
}
async function rawRows(ids, chat) {
  const starts = ids.flatMap((id) => [`true_${chat}_${id}`, `false_${chat}_${id}`]);
  return (await db.all("model-storage", "message")).filter((r) => starts.some((start) => r.id.startsWith(start))).map(raw);
}
async function rawRowsWhere([index], value) {
  return (await db.all("model-storage", "message")).filter((r) => r[index] === value).map(raw);
}
// Takes strings: a MsgKey is not a valid key of IndexedDB.
async function getMessagesById(keys) {
  if (keys.some((key) => typeof key !== "string")) throw new DOMException("Failed to execute 'get' on 'IDBObjectStore': The parameter is not a valid key.", "DataError");
  const found = [];
  for (const key of keys) {
    let msg = Msgs.get(key);
    const stored = msg ? null : await storedMsg(key);
    if (stored) [msg] = Msgs.add(restored(stored));
    if (msg) found.push(msg);
  }
  return { messages: found, eof: true, canceled: false };
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
// The part of a stanza besides the body: the context of a message, and the fields of its type.
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
    default: return msg.type in MEDIA_KEYS ? { body: undefined, media: mediaPayload(msg) } : {};
  }
}
// What a message says of its file. Path, key and hashes come from the upload with its hash, the size in pixels from the
// file.
function mediaPayload(msg) {
  const object = msg.mediaObject, entry = object?.entries.getEntryByEncFilehash(msg) ?? msg;
  const { fullWidth, fullHeight } = object?.contentInfo ?? {};
  return {
    mediaType: mediaTypeOf(msg), directPath: entry.directPath, mediaKey: entry.mediaKey, encFilehash: entry.encFilehash, filehash: msg.filehash, size: msg.size, mimetype: msg.mimetype, caption: msg.caption,
    filename: msg.type === "document" ? msg.filename : undefined, width: fullWidth ?? msg.width, height: fullHeight ?? msg.height, duration: msg.duration == null ? undefined : parseInt(msg.duration, 10), pageCount: msg.pageCount,
    waveform: msg.waveform ? b64(new Uint8Array(msg.waveform)) : undefined, gif: Boolean(msg.isGif), viewOnce: Boolean(msg.isViewOnce), animated: Boolean(msg.isAnimated), thumbnail: Boolean(msg.body) && !msg.isViewOnce,
  };
}

// A notice that looks like a new message: every new chat begins with one.
function systemMessage(chat, type) {
  const id = new MsgKey({ fromMe: false, remote: chat.id, id: localId() });
  const msg = makeMsg({ id, from: chat.id, to: prefs.mePn(), type, body: null, t: now(), ack: undefined, isNewMsg: type === "e2e_notification" });
  chat.msgs.add(msg);
  Msgs.add(msg);
}

class DuplicateMessageError extends Error { constructor() { super(""); this.name = "DuplicateMessageError"; } }

const outbox = {
  pending: new Map(),
  // `ready` is called with the stored message; what it returns has to come before the message is sent.
  send(chat, data, ready) {
    const added = Promise.resolve(data).then((found) => this.store(chat, found));
    const sent = this.transmit(chat, ready ? added.then((msg) => Promise.resolve(ready(msg)).then(() => msg)) : added);
    for (const promise of [added, sent]) promise.catch(() => {});
    return [added, sent];
  },
  async store(chat, data) {
    if (!(data.id instanceof MsgKey)) throw new TypeError("msg.id is not a MsgKey");
    if (await storedMsg(String(data.id))) throw new DuplicateMessageError();
    const msg = makeMsg({ ...data, ack: 0 });
    // The event comes before the row is stored: a failure in between leaves the message in the collection.
    chat.msgs.add(msg);
    Msgs.add(msg);
    await db.put("model-storage", "message", row(msg));
    return msg;
  },
  // Each chat is one queue: a send that hangs, or whose file is being uploaded, holds up the later ones.
  transmit(chat, ready) {
    const mine = (chat.sendQueue || Promise.resolve()).then(() => ready).then((msg) => this.record(chat, msg));
    chat.sendQueue = mine.catch(() => {});
    return mine;
  },
  // The page discards the server's code: only ERROR_UNKNOWN remains, and for 475 a name.
  async record(chat, msg) {
    if (chat.contact.isContactBlocked || site.blocked.includes(chat.id.user) || site.blocked.includes((pnByLid.get(String(chat.id)) || chat.id).user)) throw new Error("SendToBlockedContact");
    // Looked up by the module's name at the time of the call, because clients replace the function.
    const job = site.missing.some((name) => name.startsWith("WAWebSendMsgJob")) ? { encryptAndSendMsg: ({ data }) => this.wire(data) } : window.require("WAWebSendMsgJob");
    let answer;
    try {
      answer = await job.encryptAndSendMsg({ type: 0, data: msg });
    } catch (error) {
      if (!(error instanceof UnsendableError)) throw error;
      msg.set({ isSendFailure: true });
      await db.put("model-storage", "message", row(msg));
      return { messageSendResult: "ERROR_UNKNOWN" };
    }
    if (answer.error) {
      msg.set({ isSendFailure: true, ack: -1, ...(answer.error === 475 ? { errorCode: "UserReachedMaxMonthlyLimitForNewMessages" } : {}) });
      await db.put("model-storage", "message", row(msg));
      return { messageSendResult: "ERROR_UNKNOWN" };
    }
    const self = prefs.isMe(msg.id.remote);
    msg.set({ ack: Math.max(msg.ack, self ? 3 : 1), isSendFailure: false });
    if (msg.type in MEDIA_KEYS) media.dataOf(msg).set({ mediaStage: msg.mediaObject?.downloadStage ?? "INIT" });
    await db.put("model-storage", "message", row(msg));
    return { messageSendResult: "OK", t: answer.t, count: null };
  },
  async wire(msg) {
    await comms.whenOpen();
    await comms.whenOfflineEnds();
    try {
      if (msg.type in MEDIA_KEYS) validateMedia(msg);
    } catch (error) {
      throw new UnsendableError(error.message, { cause: error });
    }
    return new Promise((resolve) => {
      this.pending.set(msg.id.id, { msg, resolve });
      this.stanza(msg);
    });
  },
  stanza(msg) {
    const pn = msg.id.remote.isLid() ? pnByLid.get(String(msg.id.remote)) : undefined;
    comms.send({ type: "msg", id: msg.id.id, to: String(msg.id.remote), pn: pn && String(pn), kind: msg.type, body: msg.body, ...context(msg), ...payload(msg) });
  },
  // When an ack was lost with the socket, the same stanza is sent again.
  resume() { for (const { msg } of this.pending.values()) this.stanza(msg); },
  acked({ id, error, t }) {
    const entry = this.pending.get(id);
    if (!entry) return;
    this.pending.delete(id);
    entry.resolve({ t, error, count: null });
  },
  // The chat's queue waits for the promise from the call on.
  async resend(promise, given) {
    const chat = given ?? (await promise.then((msg) => Chats.get(msg.id.remote)?.id ?? msg.id.remote).then((wid) => findOrCreateChat(wid))).chat;
    return this.transmit(chat, promise.then((msg) => msg.set({ isSendFailure: false })));
  },
};

const receipts = {
  // Calls the module's export, so that a client's replacement is called.
  take({ from, ids, level }) {
    const receipt = { stanzaId: ids[0], from: createWid(from), ack: level, ackString: level === 3 ? "read" : null, type: "simple", externalIds: ids, participant: null, recipient: null, ts: now(), offline: null };
    const kind = receipt.from.isGroup() ? ["WAWebHandleGroupChatReceipt", "handleGroupSimpleReceipt"] : ["WAWebHandleDirectChatReceipt", "handleChatSimpleReceipt"];
    return window.importNamespace(kind[0])[kind[1]](receipt);
  },
  async note({ externalIds, ack: level }) {
    for (const id of externalIds) {
      const rows = (await db.by("model-storage", "message", "keyId", id)).filter((r) => r.fromMe);
      for (const r of rows) {
        if ((r.ack ?? 0) < level) await db.put("model-storage", "message", { ...r, ack: level });
        const msg = Msgs.get(r.id);
        if (msg && (msg.ack ?? 0) < level && !(msg.ack < 0)) msg.set({ ack: level });
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
    // Status posts are ordinary messages, but belong to no chat of the list.
    const status = wid.isStatus();
    let chat = status ? null : Chats.get(wid);
    if (!chat && !status) {
      chat = makeChat(wid, frame.pushname);
      Chats.add(chat);
      await db.put("model-storage", "chat", { id: String(wid) });
      systemMessage(chat, "e2e_notification");
      if (!frame.fromMe) systemMessage(chat, "notification_template");
    }
    const sender = createWid(prefs.migrated() ? frame.lid || frame.pn : frame.pn || frame.lid);
    const me = prefs.migrated() ? prefs.meLid() : prefs.mePn();
    const key = new MsgKey({ fromMe: !!frame.fromMe, remote: wid, id: frame.id, participant: frame.group && !frame.fromMe ? sender : undefined });
    if (await storedMsg(String(key))) return void confirm(); // only the receipt is repeated
    const type = frame.ciphertext ? "ciphertext" : frame.kind || "chat";
    // The fields of the type are decrypted together with the body.
    const said = { body: ["chat", "vcard"].includes(frame.kind || "chat") ? frame.body : undefined, ...frame.fields };
    if (Array.isArray(said.waveform)) said.waveform = new Uint8Array(said.waveform);
    if (frame.mentions?.length > 0) said.mentionedJidList = frame.mentions.map(createWid);
    const writer = frame.fromMe ? me : sender;
    const msg = makeMsg({
      id: key, from: frame.fromMe ? me : wid, to: frame.fromMe ? wid : me, author: frame.group ? writer : undefined, type,
      t: frame.t || now(), ack: 1, notifyName: frame.pushname, quotedStanzaID: frame.quoted || undefined, isNewMsg: true, ...(frame.ciphertext ? {} : said),
    });
    await db.put("model-storage", "message", row(msg));
    // A stored message is confirmed and not sent again, whether or not anybody listens.
    confirm();
    chat?.msgs.add(msg);
    Msgs.add(msg);
    if (!frame.fromMe) chat?.set({ unreadCount: chat.unreadCount + 1, lastReceivedKey: key });
    if (frame.ciphertext) setTimeout(() => { msg.set(said); msg.set({ type: frame.kind || "chat" }); db.put("model-storage", "message", row(msg)).catch(() => {}); }, 100);
  },
};

// After a restart the last messages of each chat are in memory, and some more a moment later. A message without an ack
// is flagged and not sent again by itself.
const AT_START = 2;
const MORE_AFTER = 1;
async function restore() {
  for (const r of await db.all("model-storage", "lid-pn")) { lidByPn.set(r.pn, createWid(r.id)); pnByLid.set(r.id, createWid(r.pn)); }
  await contacts.restore();
  for (const r of await db.all("model-storage", "chat")) if (!Chats.get(r.id)) Chats.add(makeChat(createWid(r.id)));
  const rows = (await db.all("model-storage", "message")).sort((a, b) => a.rowId - b.rowId);
  for (const chat of Chats.getModelsArray()) {
    const own = rows.filter((r) => r.chat === String(chat.id));
    chat.msgs.add(Msgs.add(own.slice(-AT_START).map(restored)));
    setTimeout(() => chat.msgs.add(Msgs.add(own.slice(-AT_START - MORE_AFTER, -AT_START).map(restored)), { add: "before" }), 300);
  }
}
// Loads the messages before the oldest loaded one of a chat; undefined when there are no more.
async function loadEarlierMsgs({ chat }) {
  if (chat.noEarlierMsgs) return undefined;
  const oldest = chat.msgs.getModelsArray()[0];
  const { messages } = await history.find({ anchor: oldest ? oldest.id : { remote: chat.id }, count: EARLIER }, "before");
  chat.noEarlierMsgs = messages.length < EARLIER;
  const models = messages.map((data) => Msgs.get(data.id) || makeMsg({ ...data, isNewMsg: undefined }));
  chat.msgs.add(Msgs.add(models), { add: "before" });
  return models;
}
const EARLIER = 50;

// Revocations and edits made on the phone.
const amendments = {
  async target({ id }) {
    const [row_] = await db.by("model-storage", "message", "keyId", id);
    return row_ && { row: row_, model: Msgs.get(row_.id) };
  },
  // The row takes the id of the revocation; some of the events have no model.
  async revoke({ id, by }) {
    const found = await this.target({ id });
    if (!found) return;
    const { row: old, model } = found;
    const before = MsgKey.fromString(old.id);
    const after = new MsgKey({ fromMe: old.fromMe, remote: before.remote, id: by, participant: before.participant });
    const change = { type: "revoked", subtype: "sender", protocolMessageKey: before, body: undefined, isSendFailure: false };
    const kept = { ...old, id: String(after), keyId: by, type: "revoked", subtype: "sender", protocolMessageKey: old.id };
    delete kept.body;
    await db.run("model-storage", "message", "readwrite", (s) => { s.delete(old.id); return s.put(kept); });
    if (!model) return;
    Msgs.trigger("revoked");
    model.set({ id: after });
    for (const collection of [Msgs, Chats.get(before.remote)?.msgs]) collection?.rekey(old.id, model);
    model.set(change);
    Msgs.trigger("change:msgKey");
  },
  // An edit resets the ack to 0, which is permanent when it was made on the phone.
  async edit({ id, by, body }) {
    const found = await this.target({ id });
    if (!found) return;
    const { row: old, model } = found;
    const before = MsgKey.fromString(old.id);
    const latestEditMsgKey = new MsgKey({ fromMe: old.fromMe, remote: before.remote, id: by, participant: before.participant });
    const ack = old.fromMe ? 0 : undefined;
    await db.put("model-storage", "message", { ...old, ack, body, latestEditMsgKey: String(latestEditMsgKey) });
    model?.set({ latestEditMsgKey, latestEditSenderTimestampMs: Date.now(), ack, body });
  },
};

// The lock on writing to new people: it is stored with its end, requested at every start, and removed only by the
// server.
const timelock = {
  KEY: "WAReachoutTimelockState",
  isLocked() { return userPrefsIdb.get(this.KEY) != null; },
  async take(lock) {
    if (lock) await userPrefsIdb.set(this.KEY, { state: "HIDDEN", time_enforcement_ends: lock.ends ? lock.ends * 1000 : Date.now() + 60_000, enforcement_type: "DEFAULT" });
    else await userPrefsIdb.remove(this.KEY);
    Cmd.trigger("reachout_timelock_state_change");
  },
  async fetch() { await this.take(await comms.query({ type: "reachout-timelock" })); },
};
function restored(r) { return makeMsg({ ...fromRow(r), isNewMsg: null }, { isSendFailure: r.fromMe && r.ack <= 0 }); }
