// The modules that linking needs and those that a logged-in client needs. Only names that the real page has.
const E32 = 32, ESM = 96;
// A module may be provided in parts; when a name is provided twice, the first one stays.
const provided = new Map();
function provide(name, exports, flags = E32) {
  if (site.missing.includes(name)) return;
  for (const gone of site.missing.filter((m) => m.startsWith(name + "."))) delete exports[gone.slice(name.length + 1)];
  const known = provided.get(name);
  if (known) return void Object.assign(known, { ...exports, ...known });
  provided.set(name, exports);
  window.__d(name, [], (global, require, importDefault, importNamespace, requireLazy, module, target) => Object.assign(target, exports), flags);
}
BackendEventBus.triggerRefreshQR = () => { comms.stop(); setTimeout(() => comms.start(), 10); };

function bootWave() {
  provide("WAWebBuildConstants", { VERSION_STR: site.version });
  provide("WAWebSocketModel", { Socket });
  provide("WAWebStreamModel", { Stream });
  provide("WAWebConnModel", { Conn });
  provide("WAWebCmd", { Cmd, CmdImpl });
  provide("WAWebBackendEventBus", { BackendEventBus, BackendEvent: {} });
  provide("WAWebOfflineHandler", { OfflineMessageHandler: {
    hasInitOfflineResumeManager: () => comms.loggedIn === true,
    getOfflineDeliveryProgress: () => { if (!comms.loggedIn) throw new Error("offline resume manager is not there yet"); return comms.offlineProgress; },
  } });
  provide("WAWebAltDeviceLinkingApi", AltDeviceLinking);
  provide("WAWebAltDeviceLinkingIq", { CompanionHelloError });
  provide("WAWebLinkDeviceEvents", { WAWebLinkDeviceEvents: LinkDeviceEvents });
  provide("WAWebPairingType", { PairingType: { QR_CODE: "QR_CODE", ALT_DEVICE_LINKING: "ALT_DEVICE_LINKING" } });
  provide("WABase64", { encodeB64: b64, decodeB64: unb64 });
  provide("WAWebCompanionRegClientUtils", { DEVICE_PLATFORM });
  provide("WAWebAdvSignatureApi", { getADVSecretKey: async () => prefs.advSecret });
  provide("WAWebUserPrefsInfoStore", { waNoiseInfo: { get: async () => ({ staticKeyPair: { pubKey: prefs.noise } }) } });
  provide("WAWebSignalStoreApi", { waSignalStore: { getRegistrationInfo: async () => ({ identityKeyPair: { pubKey: prefs.identity } }) } });
  provide("WAWebUserPrefsMultiDevice", { getADVSecretKey: () => prefs.advSecret, isRegistered: () => prefs.isRegistered() });
  provide("WAWebUserPrefsMeUser", {
    getMaybeMePnUser: () => prefs.mePn(), getMaybeMeLidUser: () => prefs.meLid(), getMaybeMeDevicePn: () => prefs.mePnDevice(),
    getMaybeMeDisplayName: () => prefs.read("me-display-name"), isMeAccount: (wid) => prefs.isMe(wid),
  });
  provide("WAWebNativeCameraQRLinkedDeviceUtils", { isNativeCameraQRLinkedDeviceTest: () => false });
  provide("WAWebLogoutReason", { getPrevLogoutReasonCode: () => sessionStorage.getItem("logout-reason"), getPrevCustomLogoutMessage: () => null });
  provide("WAComms", { getComms: () => (comms.stopped ? null : comms), maybeResetSocketLoop: () => comms.socket === null && !comms.stopped && comms.loop() });
  provide("WAWebLaunchSocketUtils", { refreshQR: () => BackendEventBus.triggerRefreshQR() });
  provide("WAWebWidFactory", {
    createWid,
    createUserWidOrThrow: (user, server) => createWid(/@(c\.us|s\.whatsapp\.net|lid|bot)$/.test(user) ? user : `${user}@${server ?? "c.us"}`),
    asUserWidOrThrow: userWid,
    createWidFromWidLike: (x) => createWid(String(x && x._serialized ? x._serialized : x)),
    isWidlike: (x) => !!x && (Wid.isWid(x) || (typeof x === "object" && Wid.isWid(x._serialized))),
  });
  provide("WAWebMsgKey", { default: MsgKey }, ESM);
  provide("WAWebUpdater", { Updater });
  provide("WAWebUserPrefsIndexedDBStorage", { userPrefsIdb });
  Socket.logout = () => comms.logout();
  Socket.reconnect = () => { if (comms.socket) comms.socket.close(); };
  Socket.takeover = () => { throw new Error("takeover without conflict"); };
  Stream.markAvailable = () => Stream.set({ available: true });
  Stream.markUnavailable = () => Stream.set({ available: false });
}

let finishMain;
const mainLoaded = new Promise((resolve) => { finishMain = resolve; });
let mainAsked = false;
// The stored data is read when a login has begun, not before; the modules exist from the start.
async function loadMain() {
  if (mainAsked) return;
  mainAsked = true;
  await fetch("/main-bundle");
  await restore();
  finishMain();
  timelock.fetch().catch(() => {});
}

const Calls = new CallCollection();
class OpaqueCollections { }
function mainWave() {
  const Collections = Object.assign(new OpaqueCollections(), {
    Msg: Msgs,
    Chat: Chats,
    Contact: Contacts,
    Blocklist,
    Presence: Presences,
    BusinessProfile: BusinessProfiles,
    WAWebCallCollection: Calls,
    WAWebGroupMetadataCollection: GroupMetadatas,
  });
  Msgs.getMessagesById = getMessagesById;
  Chats.find = () => { throw new TypeError("findImpl is not a function"); };
  provide("WAWebCollections", { default: Collections }, ESM);
  provide("WAWebMsgCollection", { MsgCollection: Msgs, MsgCollectionImpl });
  provide("WAWebCallCollection", { default: Calls }, ESM);
  provide("WAWebSyncGatingUtils", { isPlaceholderMessageResendEnabled: () => false });
  provide("WAWebAddonReactionTableMode", { reactionTableMode: { bulkUpsert: async () => {} } });
  provide("WAWebAddonPollVoteTableMode", { pollVoteTableMode: { bulkUpsert: async () => {} } });
  provide("WAWebBackendJobsCommon", { mediaTypeFromProtobuf: () => null });
  provide("WAWebE2EProtoUtils", { typeAttributeFromProtobuf: () => "text" });
  provide("WAWebMsgType", { MSG_TYPE: { CHAT: "chat", CIPHERTEXT: "ciphertext", E2E_NOTIFICATION: "e2e_notification", PROTOCOL: "protocol" } });
  provide("WALinkify", { findLink: (text) => findLinks(text)[0] || null, findLinks });
  provide("WAWebLinkPreviewChatAction", { getLinkPreview: linkPreview });
  provide("WAWebChatGetters", { getIsNewsletter: (c) => c.id.isNewsletter(), getIsBroadcast: (c) => c.id.isBroadcast(), getIsGroup: (c) => c.id.isGroup() });
  provide("WAWebFindChatAction", { findOrCreateLatestChat: findOrCreateChat });
  provide("WAWebGetEphemeralFieldsMsgActionsUtils", { getEphemeralFields: () => ({}) });
  provide("WAWebMsgDataUtils", { genOutgoingMsgData: outgoingBase });
  provide("WAWebSendMsgChatAction", {
    addAndSendMsgToChat: (chat, data, ready) => outbox.send(chat, data, ready),
    resendMsgToChat: (chat, promise) => {
      if (typeof promise.then !== "function") throw new TypeError("t.then is not a function");
      return outbox.resend(promise, chat);
    },
  });
  provide("WAWebUpdateUnreadChatAction", { sendSeen: chatActions.seen, markUnread: chatActions.markUnread });
  provide("WAWebQueryExistsJob", { queryWidExists: (wid) => exists(wid), queryPhoneExists: (phone) => exists(createWid(phone.replace(/\D/g, "") + "@c.us")) });
  provide("WAWebApiContact", {
    lidPnCache: { getCurrentLid: (pn) => lidByPn.get(String(pn)), getPhoneNumber: (lid) => pnByLid.get(String(lid)) },
    getCurrentLid: (pn) => lidByPn.get(String(pn)),
    getPhoneNumber: (lid) => { if (!lid.isLid()) throw new Error("WaWebLidPnCache - Invalid get call (not lid)"); return pnByLid.get(String(lid)); },
    getAlternateUserWid: (wid) => (wid.isLid() ? pnByLid : lidByPn).get(String(wid)),
  });
  provide("WAWebLidMigrationUtils", {
    toPn: (wid) => (wid.isLid() ? pnByLid.get(String(wid)) : wid),
    toLid: (wid) => (wid.isLid() ? wid : lidByPn.get(String(wid))),
    toUserLid: (wid) => lidByPn.get(String(wid)),
    getAlternateMsgKey: (key) => {
      const other = (key.remote.isLid() ? pnByLid : lidByPn).get(String(key.remote));
      return other && new MsgKey({ fromMe: key.fromMe, remote: other, id: key.id, participant: key.participant });
    },
  });
  provide("WAWebLid1X1MigrationGating", { Lid1X1MigrationUtils: { isLidMigrated: () => prefs.migrated() } });
  provide("WAWebDBMsgUtils", {
    getMsgsByMsgIdsAndChatId: rawRows,
    getMsgsExistByMsgKey: async (keys) => Promise.all(keys.map(async (key) => !!(await storedMsg(String(key))))),
    getMsgByMsgKey: async (key) => { const r = await storedMsg(String(key)); return r ? fromRow(r) : null; },
  });
  provide("WAWebSchemaMessage", { getMessageTable: () => ({ equals: rawRowsWhere }) });
  provide("WAWebChatLoadMessages", { loadEarlierMsgs });
  provide("WAWebMsgReply", { canReplyMsg: (msg) => !UNANSWERABLE.includes(msg.type) });
  provide("WAWebChatStateBridge", {
    sendChatStateComposing: async (wid) => chatState.tell(wid, "composing"),
    sendChatStatePaused: async (wid) => chatState.tell(wid, "paused"),
  });
  provide("WAWebPresenceChatAction", {
    markComposing: async (chat) => chatState.compose(chat.id),
    markPaused: async (chat) => chatState.pause(chat.id),
    sendPresenceAvailable: async () => {},
    sendPresenceUnavailable: async () => {},
  });
  provide("WAWebReachoutTimelockUtils", {
    REACHOUT_TIMELOCK_IDB_KEY: timelock.KEY, isUserReachoutTimelocked: () => timelock.isLocked(),
    canSendMsgWhileTimelocked: ({ chat }) => !timelock.isLocked() || chat.msgs.getModelsArray().length > 0,
  });
  provide("WAWebGetReachoutTimelockJob", { fetchReachoutTimelock: () => timelock.fetch() });
  provide("WAWebSendMsgJob", { encryptAndSendMsg: ({ data }) => outbox.wire(data) });
  contactModules();
  chatModules();
  mediaModules();
  historyModules();
  constantModules();
  surfaceModules();
}
const UNANSWERABLE = ["ciphertext", "revoked", "protocol", "e2e_notification", "notification", "notification_template", "gp2", "call_log"];
// Finds links with or without a scheme, as people write them.
function findLinks(text) {
  const found = [...String(text ?? "").matchAll(/(?:(https?):\/\/)?((?:[a-z0-9-]+\.)+[a-z]{2,})(?::\d+)?(?:\/[^\s]*)?/gi)];
  return found.map(([url, scheme, domain]) => ({ url, href: scheme ? url : `http://${url}`, domain, scheme: scheme ? `${scheme}:` : "", isHttp: true }));
}
// The preview is requested from the phone, which may take long.
async function linkPreview(link) {
  const data = await comms.query({ type: "link-preview", url: link.url });
  return data ? { url: link.url, data: { matchedText: link.url, canonicalUrl: link.href, ...data } } : null;
}
// The typing state that the other side of a chat sees. Composing ends by itself unless it is repeated.
const chatState = {
  timers: new Map(),
  tell(wid, state) { comms.send({ type: "chatstate", to: String(wid), state }); },
  compose(wid) {
    const timer = this.timers.get(String(wid));
    clearTimeout(timer);
    if (timer === undefined) this.tell(wid, "composing");
    this.timers.set(String(wid), setTimeout(() => this.pause(wid), 2500));
  },
  pause(wid) {
    clearTimeout(this.timers.get(String(wid)));
    if (this.timers.delete(String(wid))) this.tell(wid, "paused");
  },
};
async function exists(wid) {
  const found = await comms.query({ type: "exists", wid: String(wid) });
  if (!found) return null;
  learn(found.pn, found.lid);
  return { wid: createWid(prefs.migrated() ? found.lid : found.pn), biz: false, bizInfo: undefined, isUsernameSearch: false };
}

// Only one tab of a profile is active: the newest one wins, and the other closes its connection.
function tabMutex() {
  const mine = String(Math.random());
  window.addEventListener("storage", (event) => {
    if (event.key === "whatsapp-mutex" && event.newValue && event.newValue !== mine && !comms.stopped) {
      comms.stop();
      comms.loggedIn = false;
      Socket.stream = "DISCONNECTED";
      document.getElementById("app").innerHTML = '<div role="dialog"><button>Use here</button></div>';
    }
  });
  localStorage.setItem("whatsapp-mutex", mine);
}

async function boot() {
  window.Debug = { VERSION: site.version };
  // The parameter is removed from the address by loading the page once more.
  if (new URLSearchParams(location.search).has("post_logout")) return void location.replace(location.pathname);
  try {
    if (site.storageFails) await db.get("wawc_db_enc", "keys", 1);
    if (site.storageFails) throw new DOMException("The user denied permission to access the database.", "UnknownError");
    await prefs.open();
    await userPrefsIdb.open();
  } catch {
    // The page takes this for a broken login: it announces it, logs out and reloads itself.
    announce("storage_initialization_error");
    await prefs.clear();
    return void setTimeout(() => location.reload(), 600 * site.clock);
  }
  if (prefs.isRegistered()) await loadMain();
  tabMutex();
  comms.start();
}
bootWave();
mainWave();
if (typeof window.require === "function") boot();
else window.addEventListener("loader-ready", () => boot(), { once: true });
