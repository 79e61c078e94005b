// Linking by phone number. While a pairing code is valid, nothing may ask for QR codes, because
// each batch replaces the secret behind the code. The code is renewed here, because WhatsApp Web
// renews it only while its own screen for it is open.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WAWebAltDeviceLinkingApi.initializeAltDeviceLinking": () => Promise<void>;
 *   "WAWebAltDeviceLinkingApi.setPairingType": (type: "ALT_DEVICE_LINKING") => void;
 *   "WAWebAltDeviceLinkingApi.startAltLinkingFlow": (phone: string, showNotification: boolean) => Promise<unknown>;
 * }} PairingModules
 */

const CODE_LIFE = 180_000;
const RENEWALS = 5;
const AFTER_HELLO = 60_000;
/** @type {PairingFlow | null} Set while a pairing code is valid. */
let pairing = null;

function waitsForLink() {
  const state = use("WAWebSocketModel.Socket")?.state;
  return (state === "UNPAIRED" || state === "UNPAIRED_IDLE") && !isRegistered();
}

/** @param {PairingFlow} flow */
async function makeCode(flow) {
  flow.making = true;
  try {
    need("WAWebAltDeviceLinkingApi.setPairingType")("ALT_DEVICE_LINKING");
    spendQr();
    await need("WAWebAltDeviceLinkingApi.initializeAltDeviceLinking")();
    const code = String(await need("WAWebAltDeviceLinkingApi.startAltLinkingFlow")(flow.phone, true));
    // Whatever was set meanwhile was for the code before this one.
    clearTimeout(flow.timer);
    if (pairing === flow) flow.timer = setTimeout(renewCode, CODE_LIFE);
    return { code, ttl: CODE_LIFE };
  } finally {
    flow.making = false;
  }
}

// Preparing the pairing flow has discarded the secret of the QR code on display, so only the QR
// codes of the next batch are valid.
const backToQr = safely(async () => {
  await need("WAWebAltDeviceLinkingApi.initializeQRLinking")();
  need("WAWebBackendEventBus.BackendEventBus").triggerRefreshQR();
});
/** @param {string} reason */
function endPairing(reason) {
  if (pairing) {
    clearTimeout(pairing.timer);
    pairing.ended = reason;
  }
  pairing = null;
  emit("pairing_ended", { reason });
}

const renewCode = safely(async () => {
  const flow = pairing;
  // Two that are made at the same time would spoil each other.
  if (!flow || flow.making || linking || !waitsForLink()) return;
  flow.renewals += 1;
  let failure = `the code was renewed ${RENEWALS} times and nobody typed it`;
  if (flow.renewals <= RENEWALS) {
    try {
      const made = await makeCode(flow);
      if (pairing === flow) emit("pairing_code", made);
      return;
    } catch (error) {
      failure = `the code could not be renewed: ${pairingFault(error)}`;
    }
  }
  if (pairing !== flow) return;
  endPairing(failure);
  backToQr();
});
/**
 * WhatsApp's name for the failure, or the error's own.
 * @param {any} error
 */
function pairingFault(error) {
  const name = error?.name && error.name !== "Error" ? error.name : error?.message;
  return String(error?.type?.name || name || error);
}
/** @type {Map<string, CallFailure>} */
const PAIRING_FAILURES = new Map([
  ["IQErrorRateOverlimit", { kind: "rate_limited" }],
  ["IQErrorFeatureNotAvailable", { kind: "not_available" }],
]);

/** @param {{number: string}} request */
async function pairingCode({ number }) {
  if (!waitsForLink()) throw refusal("the page does not wait for a link");
  if (linking) throw refusal("a passkey is awaited: another code would end that");
  /** @type {PairingFlow} */
  const flow = { phone: number, renewals: 0, timer: undefined, making: false, ended: undefined };
  clearTimeout(pairing?.timer);
  pairing = flow;
  const over = () => refusal(flow.ended === undefined ? "another code was asked for meanwhile" : `it ended before there was a code: ${flow.ended}`);
  const made = await makeCode(flow).catch((error) => {
    if (pairing !== flow) throw over();
    const reason = pairingFault(error);
    endPairing(reason);
    backToQr();
    const failure = PAIRING_FAILURES.get(reason);
    throw failure ? new CallError(failure) : refusal(reason);
  });
  if (pairing !== flow) throw over();
  emit("pairing_code", made);
  return made;
}
onCall("pairing_code", pairingCode, ["pairing_code"]);

function cancelPairing() {
  if (!pairing) return;
  endPairing("cancelled");
  backToQr();
}
onCall("cancel_pairing", cancelPairing, ["pairing_code"]);

function watchPairing() {
  // A lost connection invalidates the code, and QR codes follow when it is back; if the connection
  // ends because the phone has accepted the code, the login is stored already.
  const connectionChanged = safely(() => {
    if (!pairing || waitsForLink()) return undefined;
    const linked = isRegistered();
    endPairing(linked ? "linked" : "the connection was lost");
    return linked ? undefined : use("WAWebAltDeviceLinkingApi.initializeQRLinking")?.();
  });
  listen("WAWebSocketModel.Socket", "change:state", connectionChanged);
  listen("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents", "link_device_events:refresh_alt_linking_code", renewCode);
  listen("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents", "link_device_events:error_alt_linking", renewCode);
  // The phone has the code and is finishing: another one now would spoil it.
  const phoneHasCode = safely(() => {
    if (!pairing) return;
    clearTimeout(pairing.timer);
    pairing.timer = setTimeout(renewCode, AFTER_HELLO);
  });
  listen("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents", "link_device_events:primary_hello_received", phoneHasCode);
  const askedAgain = safely(() => {
    if (!pairing) return;
    endPairing("WhatsApp wants the code to be asked for again");
    backToQr();
  });
  listen("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents", "link_device_events:force_manual_refresh", askedAgain);
}
