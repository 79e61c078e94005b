// A passkey, where WhatsApp asks for one: at linking, and at a checkpoint of an account that is linked.
//
// The page does the whole ceremony by itself and lacks only an authenticator. So its question is answered here with what
// the user's own browser has signed. Without this a full browser waits for ever and a headless shell refuses at once.
// The hook is in place before the first script of the page; whatever is no passkey goes to the browser as ever.

/**
 * What is used of WhatsApp Web here alone.
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
/** @type {PasskeyQuestion | null} The page's question that waits for an answer. */
let asking = null;
let gets = 0;
/** @type {object | null} WhatsApp has asked for a passkey at linking, and the gateway has not ended it. */
let linking = null;
/** @type {LinkStage} */
let linkStage = "asked";
/** @type {WeakSet<Element>} Dialogs of checkpoints. */
const pressed = new WeakSet();
/**
 * Its modules come with the screen that needs them: that they are not there says nothing.
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
 * The options in the JSON form of the standard: bytes are base64url.
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
 * What `get` would have given: the page reads its parts, and whoever asks what it is gets the browser's own answer.
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
    rejectPasskey(); // of two questions the later one counts
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
 * The module belongs to a screen that is loaded when it is needed.
 * @template T
 * @param {() => T | undefined} find
 */
async function shortcake(find) {
  safely(() => window.requireLazy?.(["WAWebShortcakeLinkingAction", "WAWebShortcakeLinkingApi"], () => {}))();
  for (let left = 50; left > 0 && find() === undefined; left -= 1) await sleep(100);
  return find();
}
const shortcakeStage = () => safely(() => use("WAWebShortcakeLinkingApi.getShortcakeLinkingStage")?.())();

// In place of the button: asks the page to go on, once for each request of the server.
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
    // Never ends when the page has begun; what it throws is noted.
    const failed = Promise.resolve()
      .then(start)
      .then(
        () => new Promise(() => {}),
        async (error) => {
          failure = messageOf(error);
          // As a rule the page says by an event that it has failed; this is for a build that only throws.
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
  // The challenge of before is void, and its question must have failed before the page can be asked to go on.
  if (again) rejectPasskey();
  setTimeout(safely(startLinking), again ? 200 : 0);
}
/** @param {string} reason */
function tellFailure(reason) {
  linkStage = "failed";
  emit("passkey", { stage: "failed", reason });
}

// A checkpoint is a dialog with two buttons: one goes on, the other ends the login. It is pressed once for each dialog, and
// later by order.
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
// The secret that a QR or a code led to went with the request, so there is nothing to scan before the next batch.
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
    // The challenge is over; the page says so to its user and would let him try again.
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
  // What becomes of a checkpoint is the page's to show; it tells nobody.
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
// A connection that is lost takes the ceremony with it and brings QR codes when it is back; one that ends because the
// phone has finished finds the login stored.
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
