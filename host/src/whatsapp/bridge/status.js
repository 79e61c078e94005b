// The status of the page. Every field is read from WhatsApp Web itself after subscribing, so an
// event that came before is not missed.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WAComms.getComms": () => unknown;
 *   "WAWebCmd.Cmd": Emitter & { isOfflineDeliveryEnd?: boolean };
 *   "WAWebOfflineHandler.OfflineMessageHandler": {
 *     hasInitOfflineResumeManager?(): boolean;
 *     getOfflineDeliveryProgress(): number;
 *   };
 *   "WAWebStreamModel.Stream": Emitter & { mode?: string; needsUpdate?: boolean };
 *   "WAWebUpdater.Updater": { update?: (this: unknown, version: unknown, hard: unknown, delay: unknown) => unknown };
 *   "WAWebUserPrefsMeUser.getMaybeMeDisplayName": () => unknown;
 * }} StatusModules
 */

/** @type {number | null} */
let disconnectedSince = null;
let lastStatus = "";
let statusPlanned = false;
let outdated = false;

function account() {
  const pn = use("WAWebUserPrefsMeUser.getMaybeMePnUser")?.();
  const lid = use("WAWebUserPrefsMeUser.getMaybeMeLidUser")?.();
  if (!pn && !lid) return null;
  const name = use("WAWebConnModel.Conn")?.pushname ?? use("WAWebUserPrefsMeUser.getMaybeMeDisplayName")?.();
  return { pn: pn ? String(pn) : null, lid: lid ? String(lid) : null, pushName: text(name, SHORT) };
}

function currentStatus() {
  const socket = use("WAWebSocketModel.Socket");
  const stream = use("WAWebStreamModel.Stream");
  const hasSynced = socket?.hasSynced === true;
  const registered = isRegistered();
  // When the same login is used in another browser, the page stops its connection for good without
  // an event. State and stream do not show it: signals of the page's own sync set the stream to
  // CONNECTED again.
  const stopped = use("WAComms.getComms")?.() === null;
  const silent = stopped && registered && !outdated && !logoutTold && (socket?.state === "CONNECTED" || hasSynced);
  disconnectedSince = silent ? disconnectedSince ?? Date.now() : null;
  return {
    version: window.Debug?.VERSION ?? null,
    socket: socket?.state ?? null,
    stream: socket?.stream ?? null,
    mode: stream?.mode ?? null,
    registered,
    hasSynced,
    stopped,
    replaced: disconnectedSince !== null && Date.now() - disconnectedSince > 10_000,
    needsUpdate: stream?.needsUpdate === true,
    outdated,
    modal: document.querySelector('[data-animate-modal-popup="true"], [role="dialog"]') !== null,
    timeLock: reachoutLock(),
    syncPercent: syncPercent(),
    // The page holds back every send until it has what arrived while it was not connected.
    offlineDelivery: use("WAWebCmd.Cmd")?.isOfflineDeliveryEnd === false,
    timeLockKnown: isLockKnown(),
    account: account(),
    broken: hasSynced ? [...new Set(CAPABILITIES.filter(isPreloaded).flatMap(missing))] : [],
  };
}
function syncPercent() {
  const progress = use("WAWebOfflineHandler.OfflineMessageHandler");
  if (!progress?.hasInitOfflineResumeManager?.()) return null;
  return wholeNumber(Math.round(progress.getOfflineDeliveryProgress()), 100);
}
onCall("status", (/** @type {Ticket | null} */ ticket) => {
  // Also carries the last recorded message, in case the call that reports it was lost.
  recorded(ticket);
  return { ...currentStatus(), untoldSince: untoldSince() };
});

const tellStatus = safely(function tellStatus() {
  statusPlanned = false;
  watchUpdater();
  listenToArrived();
  const now = currentStatus();
  // A QR whose text could not be had so far.
  if (now.socket === "UNPAIRED") tellQr();
  if (now.hasSynced && now.registered) safely(tellLogin)();
  const text = JSON.stringify(now);
  if (text === lastStatus) return;
  lastStatus = text;
  emit("status", { status: now });
});
function planStatus() {
  if (statusPlanned) return;
  statusPlanned = true;
  setTimeout(tellStatus, 10);
}

// When WhatsApp refuses the version with 405 or 409, the page asks its updater for an update
// without delay, stops its connection and reloads at once. No state shows this, so the updater is
// observed.
let updaterWatched = false;
function watchUpdater() {
  if (updaterWatched) return;
  const updater = use("WAWebUpdater.Updater");
  const update = updater?.update;
  if (!updater || typeof update !== "function") return;
  updaterWatched = true;
  /**
   * @param {unknown} hard
   * @param {unknown} delay
   */
  const noteUpdate = (hard, delay) => {
    if (hard !== false || delay !== 0) return;
    outdated = true;
    tellStatus();
  };
  const note = safely(noteUpdate, "the updater");
  updater.update = function (version, hard, delay) {
    note(hard, delay);
    return update.call(this, version, hard, delay);
  };
}

let logoutTold = false;
/** @param {string} reason */
function loggedOut(reason) {
  if (!logoutTold) emit("logged_out", { reason });
  logoutTold = true;
}
const LOGOUT = ["logout", "logout_from_bridge", "starting_logout", "starting_logout_from_bridge"];
/**
 * Resolves when the page reports the log-out, or after 8 s. The reload that follows may discard the
 * answer.
 * @returns {Promise<void>}
 */
function logout() {
  return new Promise((resolve) => {
    const done = () => resolve();
    for (const name of LOGOUT) if (!name.startsWith("starting")) use("WAWebCmd.Cmd")?.on(name, done);
    setTimeout(done, 8_000);
    need("WAWebSocketModel.Socket").logout();
  });
}
onCall("logout", logout, ["logout"]);

function watchStatus() {
  // First, so that whatever cannot be listened to is seen within two seconds.
  setInterval(tellStatus, 2_000);
  planStatus();
  listen("WAWebSocketModel.Socket", "change:state change:stream change:hasSynced", safely(planStatus));
  const stateChanged = safely((/** @type {unknown} */ _, /** @type {unknown} */ state) => {
    if (state === "UNPAIRED_IDLE" && !pairing && !linking) emit("qr_exhausted");
  });
  listen("WAWebSocketModel.Socket", "change:state", stateChanged);
  listen("WAWebStreamModel.Stream", "change:mode change:needsUpdate", safely(planStatus));
  listen("WAWebConnModel.Conn", "change:pushname", safely(planStatus));
  for (const name of LOGOUT) {
    const said = safely((/** @type {unknown} */ reason) => loggedOut(typeof reason === "string" ? reason : name.replace("_from_bridge", "")));
    listen("WAWebCmd.Cmd", name, said);
  }
  // The event is also sent at every login, then to say that there is no ban.
  const banned = safely((/** @type {{banned?: unknown, code?: unknown, expire?: unknown} | undefined} */ ban) => {
    if (ban?.banned === true) emit("banned", { code: String(ban.code ?? "402"), expire: Number(ban.expire) || null });
  });
  listen("WAWebCmd.Cmd", "account_temporarily_banned_from_bridge", banned);
  listen("WAWebCmd.Cmd", "reachout_timelock_state_change", safely(planStatus));
  listen("WAWebCmd.Cmd", "offline_delivery_end_from_bridge offline_delivery_state_reset_from_bridge", safely(planStatus));
}
