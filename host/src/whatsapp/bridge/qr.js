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

/** @type {string | null} The ref whose QR was told last, or lost its secret before that. */
let lastRef = null;
/** @type {string | null} The ref whose text is being made. */
let makingRef = null;

/** @param {string} ref */
async function qrText(ref) {
  const noise = await need("WAWebUserPrefsInfoStore.waNoiseInfo").get();
  const identity = await need("WAWebSignalStoreApi.waSignalStore").getRegistrationInfo();
  const secret = need("WAWebUserPrefsMultiDevice.getADVSecretKey")();
  if (!secret) throw new TypeError("the secret is not there");
  const encode = need("WABase64.encodeB64");
  const platform = need("WAWebCompanionRegClientUtils.DEVICE_PLATFORM");
  return [ref, encode(noise.staticKeyPair.pubKey), encode(identity.identityKeyPair.pubKey), secret, platform].join(",");
}

// The text that WhatsApp Web itself shows, for a build that keeps its parts elsewhere.
const shownText = () => document.querySelector("div[data-ref]")?.getAttribute("data-ref") ?? null;

const tellQr = safely(async () => {
  const conn = use("WAWebConnModel.Conn");
  const ref = conn?.ref;
  if (!conn || !ref || ref === lastRef || ref === makingRef || isRegistered()) return;
  if (pairing || linking) {
    spendQr();
    return;
  }
  makingRef = ref;
  let code;
  try {
    code = await qrText(ref).catch(() => sleep(200).then(shownText));
  } finally {
    if (makingRef === ref) makingRef = null;
  }
  // Without a text it is made again with the next status.
  if (!code || conn.ref !== ref || ref === lastRef || isRegistered()) return;
  if (pairing || linking) {
    spendQr();
    return;
  }
  lastRef = ref;
  emit("qr", { code, ttl: Number(conn.refTTL) || 20_000 });
});
// The present ref has lost its secret, to a code or a passkey: its QR leads nowhere, also when that is over.
function spendQr() {
  lastRef = use("WAWebConnModel.Conn")?.ref ?? lastRef;
}

function watchQr() {
  listen("WAWebConnModel.Conn", "change:ref", tellQr);
  tellQr();
}

function refreshQr() {
  if (linking) throw refusal("a passkey is awaited");
  if (pairing) throw refusal("a pairing code can be typed now");
  need("WAWebBackendEventBus.BackendEventBus").triggerRefreshQR();
}
onCall("refresh_qr", refreshQr, ["refresh_qr"]);
