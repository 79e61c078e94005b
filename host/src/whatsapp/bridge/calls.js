// What the gateway may ask. Each answer says whether anything can have been begun when it fails: `refused` is before,
// a thrown error is not sure.
const refused = (reason) => ({ refused: String(reason) });
const known = (key, wid, more) => ({ key: String(key), address: address(wid), ...more });

async function resolve({ number }) {
  let wid;
  try {
    wid = use("WAWebWidFactory.createWid")(`${number}@c.us`);
  } catch {
    return { found: null }; // not even the shape of a number
  }
  try {
    const result = await use("WAWebQueryExistsJob.queryWidExists")(wid);
    if (!result) return { found: null };
    return { found: { ...address(result.wid), pn: address(result.wid).pn ?? String(wid) } };
  } catch (error) {
    return refused(error?.message ?? error);
  }
}

// With whom something was said already. What the page shows in every new chat is nothing that was said.
function established({ numbers }) {
  const said = (msg) => !NOT_CHAT.has(msg.type) && (msg.id.fromMe !== true || msg.ack >= 1);
  const isKnown = (number) => {
    const { chat, lid } = address(use("WAWebWidFactory.createWid")(`${number}@c.us`));
    return [chat, lid].some((form) => form && use("WAWebCollections.Chat").get(form)?.msgs.getModelsArray().some(said));
  };
  return { numbers: numbers.filter((number) => safely(isKnown)(number) === true) };
}

// The page itself ends it after 2.5 s.
const TYPING = 2_000;
async function typing({ chat: to, millis }) {
  const chat = await openChat(use("WAWebWidFactory.createWid")(to));
  const end = Date.now() + millis;
  for (let left = millis; left > 0; left = end - Date.now()) {
    await use("WAWebPresenceChatAction.markComposing")(chat);
    await sleep(Math.min(left, TYPING));
  }
  await use("WAWebPresenceChatAction.markPaused")(chat);
  return {};
}

function myself(chat) {
  const lid = chat.id.isGroup?.() ? chat.groupMetadata?.isLidAddressingMode === true : chat.id.isLid?.() === true;
  return lid ? use("WAWebUserPrefsMeUser.getMaybeMeLidUser")() : use("WAWebUserPrefsMeUser.getMaybeMePnUser")();
}
async function openChat(wid) {
  const there = wid.isUser?.() ? undefined : use("WAWebCollections.Chat").get(wid);
  return there ?? (await use("WAWebFindChatAction.findOrCreateLatestChat")(wid, "createChat")).chat;
}
function keyOf(chat, id) {
  const from = myself(chat);
  const Key = use("WAWebMsgKey");
  return new Key({ from, to: chat.id, id, participant: chat.id.isGroup?.() ? from : undefined, selfDir: "out" });
}

async function find({ id, chat }) {
  if (making.has(id)) throw new Error("the message is being made");
  const collection = use("WAWebCollections.Msg");
  const model = collection.getModelsArray().find((msg) => msg.id.id === id && msg.id.fromMe === true);
  if (model) return { found: known(model.id, model.id.remote, { ack: model.ack, failed: model.isSendFailure === true || model.ack < 0 }) };
  const wid = use("WAWebWidFactory.createWid")(chat);
  const other = address(wid);
  for (const form of new Set([chat, other.pn, other.lid].filter(Boolean))) {
    const rows = await use("WAWebDBMsgUtils.getMsgsByMsgIdsAndChatId")([id], use("WAWebWidFactory.createWid")(form));
    const row = rows.find((row) => row.id.fromMe === true);
    // Stored and not in memory: of an earlier life of the page, which sends nothing of that by itself.
    if (row) return { found: known(row.id, row.id.remote, { ack: row.ack, failed: !(row.ack >= 1) }) };
  }
  return { found: null };
}

async function resend({ id, chat: to }) {
  const chat = await openChat(use("WAWebWidFactory.createWid")(to));
  const key = keyOf(chat, id);
  const collection = use("WAWebCollections.Msg");
  const msg = collection.get(key) ?? (await collection.getMessagesById([key])).messages[0];
  if (!msg) return refused("the page does not know this message any more");
  bounded(ours, id);
  follow(use("WAWebSendMsgChatAction.resendMsgToChat")(chat, Promise.resolve(msg)), id, chat.id);
  return {};
}

// Resolves when the page says so; the reload that follows may take the answer with it.
function logout() {
  return new Promise((resolve) => {
    const done = () => resolve({});
    for (const name of LOGOUT) if (!name.startsWith("starting")) use("WAWebCmd.Cmd")?.on(name, done);
    setTimeout(done, 8_000);
    use("WAWebSocketModel.Socket").logout();
  });
}

function report() {
  const capabilities = Object.keys(CONTRACT).filter(isPreloaded).map((name) => ({ name, ok: missing(name).length === 0, missing: missing(name) }));
  return { version: window.Debug?.VERSION ?? null, capabilities };
}

const CALLS = {
  status: { needs: null, run: () => status() },
  contract: { needs: null, run: () => report() },
  resolve: { needs: "resolve", run: resolve },
  send: { needs: ({ content, replyTo }) => [kindOf(content)?.needs, replyTo ? "reply" : undefined], run: send },
  established: { needs: "established", run: established },
  typing: { needs: "typing", run: typing },
  find: { needs: "find", run: find },
  resend: { needs: "resend", run: resend },
  catch_up: { needs: "catch_up", run: catchUp },
  refresh_qr: { needs: "refresh_qr", run: () => { if (pairing || linking) return refused(linking ? "a passkey is awaited" : "a pairing code can be typed now"); use("WAWebBackendEventBus.BackendEventBus").triggerRefreshQR(); return {}; } },
  pairing_code: { needs: "pairing_code", run: pairingCode },
  cancel_pairing: { needs: "pairing_code", run: cancelPairing },
  passkey: { needs: null, run: passkeyOrder },
  logout: { needs: "logout", run: logout },
};
const isUsable = () => !logoutTold && use("WAWebUserPrefsMultiDevice.isRegistered")?.() === true && use("WAWebSocketModel.Socket")?.hasSynced === true;
async function call(name, args) {
  const { needs, run } = CALLS[name];
  const lacks = typeof needs === "function" ? needs(args).flatMap((one) => (one ? missing(one) : [])) : needs ? missing(needs) : [];
  // Modules arrive in waves: unless the page waits for a link or is synced, what is missing may only be late.
  if (lacks.length > 0) return waitsForLink() || use("WAWebSocketModel.Socket")?.hasSynced === true ? { broken: lacks } : { booting: true };
  return run(args);
}
