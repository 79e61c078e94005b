// Linking by phone number. While a code can be typed nothing may ask for QR codes: each batch replaces the secret that
// the code leads to. A code is renewed here, because WhatsApp Web does so only while its own screen for it is open.
const CODE_LIFE = 180_000;
const RENEWALS = 5;
const AFTER_HELLO = 60_000;
let pairing = null; // {phone, renewals, timer} while a code can be typed

function waitsForLink() {
  const state = use("WAWebSocketModel.Socket")?.state;
  return (state === "UNPAIRED" || state === "UNPAIRED_IDLE") && use("WAWebUserPrefsMultiDevice.isRegistered")?.() !== true;
}

async function makeCode(flow) {
  clearTimeout(flow.timer);
  use("WAWebAltDeviceLinkingApi.setPairingType")("ALT_DEVICE_LINKING");
  await use("WAWebAltDeviceLinkingApi.initializeAltDeviceLinking")();
  const code = String(await use("WAWebAltDeviceLinkingApi.startAltLinkingFlow")(flow.phone, true));
  if (pairing === flow) flow.timer = setTimeout(renewCode, CODE_LIFE);
  return { code, ttl: CODE_LIFE };
}

// The flow's preparation has taken the secret of the QR on show, so a QR is of use again only with the next batch.
const backToQr = safely(async () => {
  await use("WAWebAltDeviceLinkingApi.initializeQRLinking")();
  use("WAWebBackendEventBus.BackendEventBus").triggerRefreshQR();
});
function endPairing(reason) {
  clearTimeout(pairing?.timer);
  pairing = null;
  emit("pairing_ended", { reason });
}

const renewCode = safely(async () => {
  const flow = pairing;
  if (!flow || linking || !waitsForLink()) return;
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
const pairingFault = (error) => String(error?.type?.name || (error?.name && error.name !== "Error" ? error.name : error?.message) || error);

async function pairingCode({ number }) {
  if (!waitsForLink()) return refused("the page does not wait for a link");
  if (linking) return refused("a passkey is awaited: another code would end that");
  const flow = { phone: number, renewals: 0 };
  clearTimeout(pairing?.timer);
  pairing = flow;
  try {
    const made = await makeCode(flow);
    if (pairing === flow) emit("pairing_code", made);
    return pairing === flow ? made : refused("another code was asked for meanwhile");
  } catch (error) {
    const fault = pairingFault(error);
    if (pairing === flow) {
      endPairing(fault);
      backToQr();
    }
    return { fault };
  }
}
function cancelPairing() {
  if (pairing) {
    endPairing("cancelled");
    backToQr();
  }
  return {};
}

function watchPairing() {
  // A connection that is lost takes the code with it, and brings QR codes when it is back; one that ends because the
  // phone has taken the code finds the login stored.
  use("WAWebSocketModel.Socket").on("change:state", safely(() => {
    if (!pairing || waitsForLink()) return;
    const linked = use("WAWebUserPrefsMultiDevice.isRegistered")?.() === true;
    endPairing(linked ? "linked" : "the connection was lost");
    return linked ? undefined : use("WAWebAltDeviceLinkingApi.initializeQRLinking")?.();
  }));
  const events = use("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents");
  events?.on("link_device_events:refresh_alt_linking_code", renewCode);
  events?.on("link_device_events:error_alt_linking", renewCode);
  // The phone has the code and is finishing: another one now would spoil it.
  events?.on("link_device_events:primary_hello_received", safely(() => {
    if (!pairing) return;
    clearTimeout(pairing.timer);
    pairing.timer = setTimeout(renewCode, AFTER_HELLO);
  }));
  events?.on("link_device_events:force_manual_refresh", safely(() => {
    if (!pairing) return;
    endPairing("WhatsApp wants the code to be asked for again");
    backToQr();
  }));
}
