// Passkeys, which WhatsApp asks for when it links a device, and at a checkpoint of an account that
// is linked.
//
// The page performs the whole ceremony itself and lacks only an authenticator. So its request is
// answered here with what the user's own browser has signed. Without this, a full browser would
// wait forever and a headless shell would refuse at once. The hook is installed before the first
// script of the page; requests that are not for a passkey go to the browser unchanged.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WAWebShortcakeLinkingAction.cancelShortcakePasskeyPairing": () => unknown;
 *   "WAWebShortcakeLinkingAction.confirmShortcakeVerificationCode": () => unknown;
 *   "WAWebShortcakeLinkingAction.startShortcakePasskeyPairing": () => unknown;
 *   "WAWebShortcakeLinkingApi.getShortcakeLinkingStage": () => unknown;
 *   "WAWebShortcakeLinkingApi.getVerificationCode": () => unknown;
 * }} PasskeyModules
 */

const PASSKEY_START = 15_000;
const ASSERTED = "The operation either timed out or was not allowed. See: https://www.w3.org/TR/webauthn-2/#sctn-privacy-considerations-client.";
/** @type {PasskeyQuestion | null} The page's question that is waiting for an answer. */
let asking = null;
let gets = 0;
/** @type {object | null} Set from the time WhatsApp asks for a passkey to link until the ceremony has ended. */
let linking = null;
/** @type {LinkStage} */
let linkStage = "asked";
/** @type {WeakSet<Element>} The checkpoint dialogs whose button was pressed. */
const pressed = new WeakSet();
/**
 * Whether the modules of a capability are loaded early. Those for passkeys are loaded together with
 * the screen that needs them, so their absence means nothing.
 * @param {Capability} capability
 */
const isPreloaded = (capability) => capability !== "passkey";

/** @param {ArrayBuffer | ArrayBufferView} buffer */
function toBase64Url(buffer) {
  const bytes = ArrayBuffer.isView(buffer) ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer);
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
/** @param {string} text */
function fromBase64Url(text) {
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (c) => c.charCodeAt(0)).buffer;
}
/**
 * The options in the JSON form of the standard, with bytes as base64url.
 * @param {unknown} value
 * @returns {unknown}
 */
function plainOptions(value) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return toBase64Url(value);
  if (Array.isArray(value)) return value.map(plainOptions);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plainOptions(part)]));
}

/**
 * The credential that `get` would have returned. The page reads its fields, and its prototype is
 * that of the browser's own class.
 * @param {PasskeyAssertion} assertion
 */
function credential({ id, rawId, response, clientExtensionResults, authenticatorAttachment }) {
  const type = "public-key";
  /** @type {Record<string, unknown>} */
  const extensions = { ...clientExtensionResults };
  const results = clientExtensionResults?.prf?.results;
  if (results) extensions.prf = { ...clientExtensionResults.prf, results: inBytes(results) };
  return withPrototype(window.PublicKeyCredential.prototype, {
    id,
    rawId: fromBase64Url(rawId),
    type,
    authenticatorAttachment: authenticatorAttachment ?? null,
    response: withPrototype(window.AuthenticatorAssertionResponse.prototype, inBytes(response)),
    getClientExtensionResults: () => extensions,
    toJSON: () => ({
      id,
      rawId,
      type,
      authenticatorAttachment: authenticatorAttachment ?? undefined,
      response,
      clientExtensionResults: clientExtensionResults ?? {},
    }),
  });
}
/** @param {Record<string, string | null>} texts */
function inBytes(texts) {
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, text === null ? null : fromBase64Url(text)]));
}
/**
 * @param {object} prototype
 * @param {Record<string, unknown>} parts
 */
function withPrototype(prototype, parts) {
  const own = Object.entries(parts).map(([key, value]) => [key, { value, enumerable: true }]);
  return Object.create(prototype, Object.fromEntries(own));
}

function rejectPasskey() {
  const question = asking;
  asking = null;
  question?.reject(new DOMException(ASSERTED, "NotAllowedError"));
}
/**
 * @param {CredentialRequestOptions} options
 * @returns {Promise<Credential | null>}
 */
function askForPasskey({ publicKey, signal }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    rejectPasskey(); // a new question replaces the one before
    const linked = isRegistered();
    gets += 1;
    /** @type {PasskeyQuestion} */
    const question = { id: `${page}-${gets}`, purpose: linked ? "checkpoint" : "link", resolve, reject };
    asking = question;
    if (!linked) {
      linking ??= {};
      linkStage = "signing";
      spendQr();
    }
    signal?.addEventListener("abort", () => {
      if (asking !== question) return;
      asking = null;
      reject(signal.reason);
    });
    emit("passkey", { stage: "signing", id: question.id, purpose: question.purpose, publicKey: plainOptions(publicKey) });
  });
}
function hookCredentials() {
  const prototype = window.CredentialsContainer?.prototype;
  const original = prototype?.get;
  if (!original || !window.PublicKeyCredential) return;
  const hook = {
    /**
     * @this {CredentialsContainer}
     * @param {[CredentialRequestOptions?]} args
     */
    get(...args) {
      const [options] = args;
      return options?.publicKey && options.mediation !== "conditional" ? askForPasskey(options) : original.apply(this, args);
    },
  };
  Object.defineProperty(prototype, "get", { value: hook.get, writable: true, enumerable: true, configurable: true });
}
hookCredentials();

/**
 * Finds a part of a module that is loaded only with the screen that needs it.
 * @template T
 * @param {() => T | undefined} find
 */
async function shortcake(find) {
  safely(() => window.requireLazy?.(["WAWebShortcakeLinkingAction", "WAWebShortcakeLinkingApi"], () => {}))();
  for (let left = 50; left > 0 && find() === undefined; left -= 1) await sleep(100);
  return find();
}
const shortcakeStage = () => safely(() => use("WAWebShortcakeLinkingApi.getShortcakeLinkingStage")?.())();

// Replaces a press of the button: asks the page to continue, once for each request of the server.
async function startLinking() {
  const mine = linking;
  linkStage = "asked";
  const isOver = () => linking !== mine || linkStage !== "asked";
  const waits = async () => {
    for (let left = PASSKEY_START / 100; left > 0 && !isOver(); left -= 1) await sleep(100);
  };
  let failure = "the page did not ask for it";
  const start = await shortcake(() => use("WAWebShortcakeLinkingAction.startShortcakePasskeyPairing"));
  if (isOver()) return;
  if (start) {
    // The promise never resolves once the page has begun; an error is noted.
    const failed = Promise.resolve()
      .then(start)
      .then(
        () => new Promise(() => {}),
        async (error) => {
          failure = messageOf(error);
          // Usually the page reports its failure by an event; this is for a build that only throws.
          await sleep(500);
          if (linking === mine && linkStage === "signing" && !asking) tellFailure(failure);
        },
      );
    await Promise.race([failed, waits()]);
  } else {
    failure = "this build of WhatsApp Web lacks WAWebShortcakeLinkingAction.startShortcakePasskeyPairing";
  }
  if (isOver()) return;
  const buttons = findButtons('[data-testid="shortcake_passkey_prompt_card"] button').filter((one) => !one.disabled);
  const [button] = buttons;
  if (button && buttons.length === 1) {
    button.click();
    await waits();
  } else {
    failure += `, and its screen has ${buttons.length} buttons to go on`;
  }
  if (!isOver()) tellFailure(failure);
}
/**
 * @param {string} selector
 * @returns {HTMLButtonElement[]}
 */
const findButtons = (selector) => [...document.querySelectorAll(selector)].filter((one) => one instanceof HTMLButtonElement);

function beginLinking() {
  const again = linking !== null;
  if (pairing) endPairing("passkey");
  linking = {};
  spendQr();
  linkStage = "void";
  emit("passkey", { stage: "asked" });
  // The previous challenge is void, and the question for it must have failed before the page can be
  // asked to continue.
  if (again) rejectPasskey();
  setTimeout(safely(startLinking), again ? 200 : 0);
}
/** @param {string} reason */
function tellFailure(reason) {
  linkStage = "failed";
  emit("passkey", { stage: "failed", reason });
}

// A checkpoint is a dialog with two buttons: one continues, the other ends the login. The first one
// is pressed once for each dialog, and again only when the gateway orders it.
function checkpointButton() {
  const buttons = findButtons(`${CHECKPOINT} button`);
  if (!buttons.some((one) => iconsOf(one).includes("logout"))) return undefined;
  return buttons.find((one) => iconsOf(one).includes("arrow-forward") && !iconsOf(one).includes("logout") && !one.disabled);
}
const CHECKPOINT = '[data-animate-modal-popup="true"]';
/** @param {Element} button */
const iconsOf = (button) => [...button.querySelectorAll("svg title")].map((title) => title.textContent).join();
/** @param {Element} button */
function wasPressed(button) {
  const dialog = button.closest(CHECKPOINT);
  return dialog !== null && pressed.has(dialog);
}
/** @param {HTMLButtonElement} button */
function pressCheckpoint(button) {
  const dialog = button.closest(CHECKPOINT);
  if (dialog) pressed.add(dialog);
  button.click();
}
// Whether there was a subscription at the last look: a request that came before it is to be seen on the screen alone.
let heardRequests = false;
const lookForCheckpoint = safely(() => {
  const hears = heardRequests;
  heardRequests = subscribed.has("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents");
  if (asking || linking) return;
  if (!hears && waitsForLink() && document.querySelector('[data-testid="shortcake_passkey_prompt_card"]')) {
    beginLinking();
    return;
  }
  const button = checkpointButton();
  if (button && !wasPressed(button)) pressCheckpoint(button);
});

function endLinking() {
  linking = null;
  rejectPasskey();
}
// The secret behind the QR code or pairing code was discarded with the request, so nothing can be
// scanned before the next batch.
function cancelLinking() {
  safely(() => use("WAWebShortcakeLinkingAction.cancelShortcakePasskeyPairing")?.())();
  endLinking();
}

/** @param {PasskeyOrder} order */
function passkeyOrder(order) {
  switch (order.order) {
    case "answer":
      return answerPasskey(order);
    case "confirm":
      return confirmPasskey();
    // The challenge has expired. The page tells its user so and would let them try again.
    case "expire":
      linkStage = "void";
      return rejectPasskey();
    case "again":
      return askAgain();
    case "cancel":
      return cancelPasskey();
    default:
      throw refusal(`an order ${/** @type {{order: unknown}} */ (order).order} is not known`);
  }
}
onCall("passkey", passkeyOrder);

/** @param {{id: string, assertion: PasskeyAssertion}} answer */
function answerPasskey({ id, assertion }) {
  if (!asking || asking.id !== id) throw refusal("the page does not wait for an answer to this challenge");
  const question = asking;
  const answer = credential(assertion);
  asking = null;
  question.resolve(answer);
  // The page only shows the outcome of a checkpoint; no event reports it.
  if (question.purpose === "checkpoint") emit("passkey", { stage: "ended", reason: "answered" });
}
function confirmPasskey() {
  const waits = "WaitingForVerificationCodeConfirmation";
  if (linkStage !== "confirm" || (shortcakeStage() ?? waits) !== waits) throw refusal("the page does not wait for a code to be confirmed");
  const confirm = use("WAWebShortcakeLinkingAction.confirmShortcakeVerificationCode");
  if (!confirm) throw refusal("this build of WhatsApp Web lacks WAWebShortcakeLinkingAction.confirmShortcakeVerificationCode");
  linkStage = "finishing";
  safely(() => confirm())();
  emit("passkey", { stage: "finishing" });
}
function askAgain() {
  if (linking) {
    linking = {};
    linkStage = "void";
    rejectPasskey();
    setTimeout(safely(startLinking), 200);
    return;
  }
  const button = checkpointButton();
  if (!button) throw refusal("the page's dialog is gone");
  pressCheckpoint(button);
}
function cancelPasskey() {
  if (!linking) {
    rejectPasskey();
    return;
  }
  cancelLinking();
  if (waitsForLink()) backToQr();
}

function watchPasskey() {
  setInterval(lookForCheckpoint, 1_000);
  listen("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents", "link_device_events:passkey_prologue_request", safely(beginLinking));
  const prologueSent = safely(() => {
    if (!linking) return;
    linkStage = "phone";
    emit("passkey", { stage: "phone" });
  });
  listen("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents", "link_device_events:shortcake_prologue_sent", prologueSent);
  const codeReady = safely((/** @type {unknown} */ code, /** @type {unknown} */ skip) => {
    if (!linking) return;
    // Whoever need not compare it: the page confirms by itself, and a second time would be an error.
    if (skip === true) {
      linkStage = "finishing";
      emit("passkey", { stage: "finishing" });
      return;
    }
    const shown = String(code ?? attempt(() => use("WAWebShortcakeLinkingApi.getVerificationCode")?.()) ?? "");
    if (shown === "") {
      tellFailure("the page does not say which code the phone should show");
      return;
    }
    linkStage = "confirm";
    emit("passkey", { stage: "confirm", code: shown });
  });
  listen("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents", "link_device_events:shortcake_verification_code_ready", codeReady);
  const failed = safely((/** @type {unknown} */ reason) => {
    if (linking && linkStage !== "void") tellFailure(String(reason ?? "unknown"));
  });
  listen("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents", "link_device_events:shortcake_error", failed);
  listen("WAWebSocketModel.Socket", "change:state", safely(endWithConnection));
}
// A lost connection ends the ceremony, and QR codes follow when it is back; if the connection ends
// because the phone has finished, the login is stored already.
function endWithConnection() {
  if (!linking || waitsForLink()) return;
  if (isRegistered()) {
    linking = null;
    emit("passkey", { stage: "ended", reason: "linked" });
    return;
  }
  cancelLinking();
  emit("passkey", { stage: "lost" });
  safely(() => use("WAWebAltDeviceLinkingApi.initializeQRLinking")?.())();
}
