// Values that clients read but do not call: names of states, empty collections, facts about this page.
const names = (...list) => Object.fromEntries(list.map((name) => [name, name]));
const ACK = { INACTIVE: -6, CONTENT_UNUPLOADABLE: -5, CONTENT_TOO_BIG: -4, CONTENT_GONE: -3, EXPIRED: -2, FAILED: -1, CLOCK: 0, SENT: 1, RECEIVED: 2, READ: 3, PLAYED: 4, PEER: 5 };
// Empty collections, by module and export: there are no labels, statuses or stickers here.
const EMPTY = {
  WAWebBotProfileCollection: "BotProfileCollection", WAWebLabelCollection: "LabelCollection", WAWebStatusCollection: "StatusCollection", WAWebTextStatusCollection: "TextStatusCollection",
  WAWebProfilePicThumbCollection: "ProfilePicThumbCollection", WAWebOrderCollection: "OrderCollection", WAWebQuickReplyCollection: "QuickReplyCollection", WAWebReactionsCollection: "ReactionsCollection",
  WAWebPinInChatCollection: "PinInChatCollection", WAWebCatalogCollection: "CatalogCollection", WAWebMsgInfoCollection: "MsgInfoCollection",
};
const NetworkStatus = new Model({ online: true });
NetworkStatus.checkOnline = () => navigator.onLine;

function constantModules() {
  provide("WAWebAck", { ACK, ACK_STRING: { SENDER: "sender", DELIVERY: "delivery", READ: "read", PLAYED: "played", INACTIVE: "inactive", READ_SELF: "read-self", PLAYED_SELF: "played-self" } });
  provide("WAWebSocketConstants", {
    SOCKET_STATE: names("OPENING", "PAIRING", "UNPAIRED", "UNPAIRED_IDLE", "CONNECTED", "UNLAUNCHED", "SCREEN_LOCKED", "CONFLICT", "PROXYBLOCK", "TOS_BLOCK", "SMB_TOS_BLOCK", "DEPRECATED_VERSION"),
    SOCKET_STREAM: names("DISCONNECTED", "SYNCING", "RESUMING", "CONNECTED"),
  });
  provide("WAWebStreamModel", {
    StreamMode: names("QR", "MAIN", "SYNCING", "OFFLINE", "CONFLICT", "PROXYBLOCK", "TOS_BLOCK", "SMB_TOS_BLOCK", "DEPRECATED_VERSION"),
    StreamInfo: names("OFFLINE", "OPENING", "PAIRING", "SYNCING", "RESUMING", "CONNECTING", "NORMAL"),
  });
  provide("WAWebSendMsgResultAction", { SendMsgResult: names("OK", "ERROR_NETWORK", "ERROR_EXPIRED", "ERROR_CANCELLED", "ERROR_UPLOAD", "ERROR_UNKNOWN", "ERROR_RATE_LIMIT") });
  provide("WAWebUpdaterVersion", { SANITIZED_VERSION_STR: site.version });
  provide("WATimeUtils", { unixTime: now, unixTimeMs: () => Date.now() });
  provide("WARandomHex", { randomHex: (bytes) => hex(randomBytes(bytes)) });
  provide("WAWebWid", { default: Wid }, ESM);
  provide("WAWebBaseModel", { BaseModel: Model });
  provide("WAWebBaseCollection", { BaseCollection: Collection });
  provide("WAWebNetworkStatus", { default: NetworkStatus }, ESM);
  provide("WAWebUserPrefsIsLoggedIn", { isLoggedIn: () => prefs.isRegistered() });
  provide("WAWebL10N", { default: { getRegion: () => "US", getLocale: () => navigator.language.slice(0, 2) } }, ESM);
  provide("WAWebCountriesNativeCountryNames", { default: {} }, ESM);
  provide("WAWebDrawerManager", { DrawerManager: new Emitter() });
  const all = provided.get("WAWebCollections")?.default ?? {};
  for (const [module, name] of Object.entries(EMPTY)) {
    const key = name.replace(/Collection$/, "");
    all[key] = new Collection(kind(key.replace(/^./, (letter) => letter.toLowerCase())));
    provide(module, { [name]: all[key] });
  }
  // Channels are not chats and have their own collections.
  for (const module of ["WAWebNewsletterCollection", "WAWebNewsletterMetadataCollection"]) {
    all[module] = new Collection(ChatModel);
    provide(module, { default: all[module] }, ESM);
  }
}
