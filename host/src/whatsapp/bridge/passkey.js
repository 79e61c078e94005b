// A passkey, where WhatsApp asks for one: at linking, and at a checkpoint of an account that is linked.
//
// The page does the whole ceremony by itself and lacks only an authenticator. So its question is answered here with what
// the user's own browser has signed. Without this a full browser waits for ever and a headless shell refuses at once.
// The hook is in place before the first script of the page; whatever is no passkey goes to the browser as ever.
const PASSKEY_START = 15_000;
const ASSERTED = "The operation either timed out or was not allowed. See: https://www.w3.org/TR/webauthn-2/#sctn-privacy-considerations-client.";
let asking = null; // {id, purpose, resolve, reject}: the page's question that waits for an answer
let gets = 0;
let linking = null; // {}: WhatsApp has asked for a passkey at linking, and the gateway has not ended it
let linkStage = "asked"; // beside the stages that are told: "void" while a question that we have ended is failing in the page
const pressed = new WeakSet(); // dialogs of checkpoints
// Its modules come with the screen that needs them: that they are not there says nothing.
const isPreloaded = (capability) => capability !== "passkey";

const toBase64Url = (buffer) => {
  const bytes = ArrayBuffer.isView(buffer) ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};
const fromBase64Url = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)).buffer;
// The options in the JSON form of the standard: bytes are base64url.
function plainOptions(value) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return toBase64Url(value);
  if (Array.isArray(value)) return value.map(plainOptions);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plainOptions(part)]));
}

// What `get` would have given: the page reads its parts, and whoever asks what it is gets the browser's own answer.
function credential({ id, rawId, response, clientExtensionResults, authenticatorAttachment }) {
  const own = (prototype, parts) =>
    Object.create(prototype, Object.fromEntries(Object.entries(parts).map(([key, value]) => [key, { value, enumerable: true }])));
  const bytes = Object.fromEntries(Object.entries(response).map(([key, text]) => [key, text === null ? null : fromBase64Url(text)]));
  const extensions = { ...clientExtensionResults };
  const results = extensions.prf?.results;
  if (results) extensions.prf = { ...extensions.prf, results: Object.fromEntries(Object.entries(results).map(([key, text]) => [key, fromBase64Url(text)])) };
  return own(window.PublicKeyCredential.prototype, {
    id,
    rawId: fromBase64Url(rawId),
    type: "public-key",
    authenticatorAttachment: authenticatorAttachment ?? null,
    response: own(window.AuthenticatorAssertionResponse.prototype, bytes),
    getClientExtensionResults: () => extensions,
    toJSON: () => ({ id, rawId, type: "public-key", authenticatorAttachment: authenticatorAttachment ?? undefined, response, clientExtensionResults: clientExtensionResults ?? {} }),
  });
}

function rejectPasskey() {
  const question = asking;
  asking = null;
  question?.reject(new DOMException(ASSERTED, "NotAllowedError"));
}
function askForPasskey({ publicKey, signal }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    rejectPasskey(); // of two questions the later one counts
    const linked = use("WAWebUserPrefsMultiDevice.isRegistered")?.() === true;
    const question = { id: `${page}-${++gets}`, purpose: linked ? "checkpoint" : "link", resolve, reject };
    asking = question;
    if (!linked) {
      linking ??= {};
      linkStage = "signing";
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
  const { get: original } = prototype ?? {};
  if (!original || !window.PublicKeyCredential) return;
  const hook = {
    get(...args) {
      return args[0]?.publicKey && args[0].mediation !== "conditional" ? askForPasskey(args[0]) : original.apply(this, args);
    },
  };
  Object.defineProperty(prototype, "get", { value: hook.get, writable: true, enumerable: true, configurable: true });
}
hookCredentials();

// The module belongs to a screen that is loaded when it is needed.
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
    const never = new Promise(() => {});
    const failed = Promise.resolve().then(start).then(() => never, async (error) => {
      failure = String(error?.message ?? error);
      // As a rule the page says by an event that it has failed; this is for a build that only throws.
      await sleep(500);
      if (linking === mine && linkStage === "signing" && !asking) tellFailure(failure);
    });
    await Promise.race([failed, waits()]);
  } else {
    failure = "this build of WhatsApp Web lacks WAWebShortcakeLinkingAction.startShortcakePasskeyPairing";
  }
  if (isOver()) return;
  const buttons = [...document.querySelectorAll('[data-testid="shortcake_passkey_prompt_card"] button')].filter((one) => !one.disabled);
  if (buttons.length === 1) {
    buttons[0].click();
    await waits();
  } else {
    failure += `, and its screen has ${buttons.length} buttons to go on`;
  }
  if (!isOver()) tellFailure(failure);
}
function beginLinking() {
  const again = linking !== null;
  if (pairing) endPairing("passkey");
  linking = {};
  linkStage = "void";
  emit("passkey", { stage: "asked" });
  // The challenge of before is void, and its question must have failed before the page can be asked to go on.
  if (again) rejectPasskey();
  setTimeout(safely(startLinking), again ? 200 : 0);
}
function tellFailure(reason) {
  linkStage = "failed";
  emit("passkey", { stage: "failed", reason });
}

// A checkpoint is a dialog with two buttons: one goes on, the other ends the login. It is pressed once for each dialog, and
// later by order.
function checkpointButton() {
  const buttons = [...document.querySelectorAll('[data-animate-modal-popup="true"] button')];
  const icons = (one) => [...one.querySelectorAll("svg title")].map((title) => title.textContent).join();
  if (!buttons.some((one) => icons(one).includes("logout"))) return undefined;
  return buttons.find((one) => icons(one).includes("arrow-forward") && !icons(one).includes("logout") && !one.disabled);
}
function pressCheckpoint(button) {
  pressed.add(button.closest('[data-animate-modal-popup="true"]'));
  button.click();
}
const lookForCheckpoint = safely(() => {
  if (asking || linking) return undefined;
  const hears = use("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents") !== undefined;
  if (!hears && waitsForLink() && document.querySelector('[data-testid="shortcake_passkey_prompt_card"]')) return beginLinking();
  const button = checkpointButton();
  if (!button || pressed.has(button.closest('[data-animate-modal-popup="true"]'))) return undefined;
  return pressCheckpoint(button);
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

async function passkeyOrder({ order, id, assertion }) {
  switch (order) {
    case "answer": {
      if (!asking || asking.id !== id) return refused("the page does not wait for an answer to this challenge");
      const question = asking;
      const answer = credential(assertion);
      asking = null;
      question.resolve(answer);
      // What becomes of a checkpoint is the page's to show; it tells nobody.
      if (question.purpose === "checkpoint") emit("passkey", { stage: "ended", reason: "answered" });
      return {};
    }
    case "confirm": {
      if (linkStage !== "confirm" || (shortcakeStage() ?? "WaitingForVerificationCodeConfirmation") !== "WaitingForVerificationCodeConfirmation") {
        return refused("the page does not wait for a code to be confirmed");
      }
      const confirm = use("WAWebShortcakeLinkingAction.confirmShortcakeVerificationCode");
      if (!confirm) return refused("this build of WhatsApp Web lacks WAWebShortcakeLinkingAction.confirmShortcakeVerificationCode");
      linkStage = "finishing";
      safely(() => confirm())();
      emit("passkey", { stage: "finishing" });
      return {};
    }
    // The challenge is over; the page says so to its user and would let him try again.
    case "expire":
      linkStage = "void";
      rejectPasskey();
      return {};
    case "again":
      if (linking) {
        linking = {};
        linkStage = "void";
        rejectPasskey();
        setTimeout(safely(startLinking), 200);
      } else {
        const button = checkpointButton();
        if (!button) return refused("the page's dialog is gone");
        pressCheckpoint(button);
      }
      return {};
    case "cancel": {
      const wasLinking = linking !== null;
      if (wasLinking) cancelLinking();
      else rejectPasskey();
      if (wasLinking && waitsForLink()) backToQr();
      return {};
    }
    default:
      return refused(`an order ${order} is not known`);
  }
}

function watchPasskey() {
  const events = use("WAWebLinkDeviceEvents.WAWebLinkDeviceEvents");
  events?.on("link_device_events:passkey_prologue_request", safely(beginLinking));
  events?.on("link_device_events:shortcake_prologue_sent", safely(() => {
    if (!linking) return;
    linkStage = "phone";
    emit("passkey", { stage: "phone" });
  }));
  events?.on("link_device_events:shortcake_verification_code_ready", safely((code, skip) => {
    if (!linking) return;
    // Whoever need not compare it: the page confirms by itself, and a second time would be an error.
    linkStage = skip === true ? "finishing" : "confirm";
    emit("passkey", skip === true ? { stage: "finishing" } : { stage: "confirm", code: String(code ?? use("WAWebShortcakeLinkingApi.getVerificationCode")?.()) });
  }));
  events?.on("link_device_events:shortcake_error", safely((reason) => linking && linkStage !== "void" && tellFailure(String(reason ?? "unknown"))));
  // A connection that is lost takes the ceremony with it and brings QR codes when it is back; one that ends because the
  // phone has finished finds the login stored.
  use("WAWebSocketModel.Socket").on("change:state", safely(() => {
    if (!linking || waitsForLink()) return;
    if (use("WAWebUserPrefsMultiDevice.isRegistered")?.() === true) {
      linking = null;
      emit("passkey", { stage: "ended", reason: "linked" });
      return;
    }
    cancelLinking();
    emit("passkey", { stage: "lost" });
    safely(() => use("WAWebAltDeviceLinkingApi.initializeQRLinking")?.())();
  }));
  setInterval(lookForCheckpoint, 1_000);
}
