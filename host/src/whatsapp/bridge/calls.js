// What the gateway may ask. Each answer says whether anything can have been begun when it fails: `refused` is before,
// a thrown error is not sure.
const refused = (reason) => ({ refused: String(reason) });
const known = (key, wid, more) => ({ key: String(key), address: address(wid), ...more });

async function resolve({ number }) {
  const asked = attempt(() => wid(`${number}@c.us`));
  if (!asked) return { found: null }; // not even the shape of a number
  try {
    const result = await use("WAWebQueryExistsJob.queryWidExists")(asked);
    if (!result) return { found: null };
    return { found: { ...address(result.wid), pn: address(result.wid).pn ?? String(asked) } };
  } catch (error) {
    return refused(error?.message ?? error);
  }
}

// With whom something was said already, by the page's memory or its database. What the page shows in every new chat is
// nothing that was said.
const LOOK_BACK = 20;
async function established({ chats }) {
  const said = (msg) => !NOT_CHAT.has(msg.type) && (partsOf(msg.id).fromMe !== true || msg.ack >= 1);
  const isKnown = async (asked) => {
    for (const form of formsOf(asked)) {
      const chat = use("WAWebCollections.Chat").get(form);
      if (!chat) continue;
      if (chat.msgs.getModelsArray().some(said)) return true;
      const find = use("WAWebDBMessageFindLocal.msgFindBefore");
      if (find && (await find({ anchor: { remote: chat.id }, count: LOOK_BACK })).messages.some(said)) return true;
    }
    return false;
  };
  const acquainted = [];
  for (const chat of chats) if ((await isKnown(chat).catch((error) => fault("established", error))) === true) acquainted.push(chat);
  return { chats: acquainted };
}

// The page itself ends it after 2.5 s.
const TYPING = 2_000;
async function typing({ chat: to, millis }) {
  const chat = await openChat(wid(to));
  const end = Date.now() + millis;
  for (let left = millis; left > 0; left = end - Date.now()) {
    await use("WAWebPresenceChatAction.markComposing")(chat);
    await sleep(Math.min(left, TYPING));
  }
  await use("WAWebPresenceChatAction.markPaused")(chat);
  return {};
}

async function find({ id, chat }) {
  if (making.has(id)) throw new Error("the message is being made");
  const there = await locate(id, chat, ({ fromMe }) => fromMe);
  if (there) return { found: known(there.key, partsOf(there.key).chat, stateOf(there)) };
  const revoked = await revocation(id, chat);
  // Only what the server had can have been revoked.
  if (revoked) return { found: known(revoked.id, partsOf(revoked.id).chat, { ack: Math.max(1, revoked.ack ?? 0), failed: false }) };
  return { found: null };
}
// An edit takes the ack of a message back to 0, on the phone for good: what was edited had been sent.
function stateOf({ model, row }) {
  const { ack, latestEditMsgKey, isSendFailure } = model ?? row;
  if (latestEditMsgKey) return { ack: Math.max(1, ack ?? 0), failed: false };
  // Stored and not in memory: of an earlier life of the page, which sends nothing of that by itself.
  return { ack: ack ?? 0, failed: model ? isSendFailure === true || ack < 0 : !(ack >= 1) };
}

async function resend({ id, chat: to }) {
  const there = await locate(id, to, ({ fromMe }) => fromMe);
  const msg = there && (await modelOf(there));
  if (!msg) return refused("the page does not know this message any more");
  if (stateOf({ model: msg }).ack >= 1) return refused("the server has this message already");
  const { chat } = partsOf(there.key);
  bounded(ours, id);
  refusedTold.delete(id);
  watchCodes();
  follow(use("WAWebSendMsgChatAction.resendMsgToChat")(await openChat(chat), Promise.resolve(msg)), id, chat);
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

// What of the contract holds in this build: a part that is missing is named with the feature that is lost by it.
function report() {
  const capabilities = Object.entries(CONTRACT).filter(([name]) => isPreloaded(name)).map(([name, { feature }]) => ({ name, feature, ok: missing(name).length === 0, missing: missing(name) }));
  return { version: window.Debug?.VERSION ?? null, loader: loaderKind(), capabilities, renamed: renamed() };
}
// Fields of a message key that this build calls otherwise, told by what they hold. The bridge reads keys from their text,
// so it costs nothing; other clients of the page break on it.
const KEY_FIELDS = { fromMe: true, id: "3EB0000000000000000000" };
function renamed() {
  const me = attempt(() => use("WAWebUserPrefsMeUser.getMaybeMePnUser")());
  const Key = use("WAWebMsgKey");
  const key = me && Key && attempt(() => new Key({ ...KEY_FIELDS, remote: wid("15550000000@c.us") }));
  if (!key) return [];
  const holds = { ...KEY_FIELDS, remote: "15550000000@c.us", _serialized: String(key) };
  return Object.entries(holds).flatMap(([expected, value]) => {
    if (same(key[expected], value)) return [];
    const now = Object.keys(key).find((field) => !(field in holds) && same(key[field], value));
    return [{ what: "MsgKey", expected, now: now ?? null }];
  });
}
const same = (value, wanted) => value === wanted || (value != null && typeof value === "object" && String(value) === wanted);

const CALLS = {
  // Also tells what is recorded, should the word of it have been lost.
  status: { needs: null, run: (told) => { recorded(told); return { ...status(), untoldSince: untoldSince() }; } },
  recorded: { needs: null, run: recorded },
  contract: { needs: null, run: () => report() },
  resolve: { needs: "resolve", run: resolve },
  address: { needs: null, run: ({ chat }) => address(wid(chat)) },
  preview: { needs: null, run: preview },
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
