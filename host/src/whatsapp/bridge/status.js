// Where the page stands. Every bit is read from WhatsApp Web itself, after subscribing: an event that came before is not missed.
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

function status() {
  const socket = use("WAWebSocketModel.Socket");
  const stream = use("WAWebStreamModel.Stream");
  const progress = use("WAWebOfflineHandler.OfflineMessageHandler");
  const hasSynced = socket?.hasSynced === true;
  const registered = use("WAWebUserPrefsMultiDevice.isRegistered")?.() === true;
  // The same login in another browser: comms are stopped for good and nobody is told. State and stream say nothing of it:
  // the stream becomes CONNECTED again by what the page's own sync signals.
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
    replaced: silent && Date.now() - disconnectedSince > 10_000,
    needsUpdate: stream?.needsUpdate === true,
    outdated,
    modal: document.querySelector('[data-animate-modal-popup="true"], [role="dialog"]') !== null,
    timeLock: reachoutLock(),
    syncPercent: progress?.hasInitOfflineResumeManager?.() ? wholeNumber(Math.round(progress.getOfflineDeliveryProgress()), 100) : null,
    timeLockKnown: isLockKnown(),
    account: account(),
    broken: hasSynced ? [...new Set(Object.keys(CONTRACT).filter(isPreloaded).flatMap(missing))] : [],
  };
}

const tellStatus = safely(function tellStatus() {
  statusPlanned = false;
  watchUpdater();
  const now = status();
  if (now.hasSynced && now.registered) tellLogin();
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

// Refused with 405 or 409 the page asks its updater for an update without delay, stops its connection and loads itself
// anew at once. No state says so, so the updater is heard.
let updaterWatched = false;
function watchUpdater() {
  if (updaterWatched) return;
  const updater = use("WAWebUpdater.Updater");
  const update = updater?.update;
  if (typeof update !== "function") return;
  updaterWatched = true;
  const note = safely((hard, delay) => {
    if (hard !== false || delay !== 0) return;
    outdated = true;
    tellStatus();
  }, "the updater");
  updater.update = function (version, hard, delay) {
    note(hard, delay);
    return update.call(this, version, hard, delay);
  };
}

let logoutTold = false;
function loggedOut(reason) {
  if (!logoutTold) emit("logged_out", { reason });
  logoutTold = true;
}
const LOGOUT = ["logout", "logout_from_bridge", "starting_logout", "starting_logout_from_bridge"];
function watchStatus() {
  const socket = use("WAWebSocketModel.Socket");
  socket.on("change:state change:stream change:hasSynced", safely(planStatus));
  socket.on("change:state", safely((_, state) => state === "UNPAIRED_IDLE" && !pairing && !linking && emit("qr_exhausted")));
  use("WAWebStreamModel.Stream")?.on("change:mode change:needsUpdate", safely(planStatus));
  use("WAWebConnModel.Conn")?.on("change:pushname", safely(planStatus));
  const cmd = use("WAWebCmd.Cmd");
  for (const name of LOGOUT) {
    cmd?.on(name, safely((reason) => loggedOut(typeof reason === "string" ? reason : name.replace("_from_bridge", ""))));
  }
  // It is announced at every login too, then to say that there is none.
  cmd?.on("account_temporarily_banned_from_bridge", safely((ban) => {
    if (ban?.banned === true) emit("banned", { code: String(ban.code ?? "402"), expire: Number(ban.expire) || null });
  }));
  cmd?.on("reachout_timelock_state_change", safely(planStatus));
  setInterval(tellStatus, 2_000);
  planStatus();
}
