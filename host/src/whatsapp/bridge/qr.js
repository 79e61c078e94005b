// The QR code: five fields joined by commas. The adv secret changes with every batch, so it is read
// again for every ref.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WABase64.encodeB64": (bytes: ArrayBuffer | Uint8Array) => string;
 *   "WAWebCompanionRegClientUtils.DEVICE_PLATFORM": string | number;
 *   "WAWebSignalStoreApi.waSignalStore": { getRegistrationInfo(): Promise<{ identityKeyPair: { pubKey: Uint8Array } }> };
 *   "WAWebUserPrefsInfoStore.waNoiseInfo": { get(): Promise<{ staticKeyPair: { pubKey: Uint8Array } }> };
 *   "WAWebUserPrefsMultiDevice.getADVSecretKey": () => string;
 * }} QrModules
 */

/** @type {string | null} */
let lastRef = null;

/** @param {string} ref */
async function qrText(ref) {
  const noise = await need("WAWebUserPrefsInfoStore.waNoiseInfo").get();
  const identity = await need("WAWebSignalStoreApi.waSignalStore").getRegistrationInfo();
  const secret = need("WAWebUserPrefsMultiDevice.getADVSecretKey")();
  const encode = need("WABase64.encodeB64");
  const platform = need("WAWebCompanionRegClientUtils.DEVICE_PLATFORM");
  return [ref, encode(noise.staticKeyPair.pubKey), encode(identity.identityKeyPair.pubKey), secret, platform].join(",");
}

// The text that WhatsApp Web itself shows, for a build that keeps its parts elsewhere.
const shownText = () => document.querySelector("div[data-ref]")?.getAttribute("data-ref") ?? null;

const tellQr = safely(async () => {
  const conn = use("WAWebConnModel.Conn");
  const ref = conn?.ref;
  if (pairing || linking || !ref || ref === lastRef || isRegistered()) return;
  lastRef = ref;
  let code;
  try {
    code = await qrText(ref);
  } catch {
    await sleep(200);
    code = shownText();
  }
  if (code && !pairing && !linking) emit("qr", { code, ttl: Number(conn.refTTL) || 20_000 });
});

function watchQr() {
  use("WAWebConnModel.Conn")?.on("change:ref", tellQr);
  tellQr();
}

function refreshQr() {
  if (linking) throw refusal("a passkey is awaited");
  if (pairing) throw refusal("a pairing code can be typed now");
  need("WAWebBackendEventBus.BackendEventBus").triggerRefreshQR();
}
onCall("refresh_qr", refreshQr, ["refresh_qr"]);
