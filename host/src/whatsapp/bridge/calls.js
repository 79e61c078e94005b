// What the gateway may ask, and the one form in which it is answered: `{ok: value}`, or `{error: {kind, …}}` with a kind of
// `CallFailure`. The kinds say whether anything can have been begun: after `failed` that is not sure, after the others it
// was not.

/**
 * What is used of WhatsApp Web here alone.
 * @typedef {{
 *   "WAWebUserPrefsMultiDevice.isRegistered": () => boolean;
 * }} CallsModules
 */

// What a call ends with instead of an answer.
class CallError extends Error {
  /** @param {CallFailure} failure */
  constructor(failure) {
    super(failure.kind);
    this.failure = failure;
  }
}
/** @param {unknown} reason */
const refusal = (reason) => new CallError({ kind: "refused", reason: String(reason) });
/** @param {any} error Whatever was thrown; what the page throws need not be an `Error`. */
const messageOf = (error) => String(error?.message || error);

/** @type {Map<string, {run: (request: any) => unknown, needs: (request: any) => Capability[]}>} */
const CALLS = new Map();
/**
 * Registers a question of the gateway. What it returns, or what its promise resolves to, is the answer.
 * @template R
 * @param {string} name
 * @param {(request: R) => unknown} run
 * @param {Capability[] | ((request: R) => Capability[])} needs Without them it is not begun.
 */
function onCall(name, run, needs = []) {
  CALLS.set(name, { run, needs: typeof needs === "function" ? needs : () => needs });
}

/**
 * @param {string} name
 * @param {unknown} request
 * @returns {Promise<CallReply>}
 */
async function call(name, request) {
  try {
    return { ok: (await answerOf(name, request)) ?? null };
  } catch (error) {
    return { error: error instanceof CallError ? error.failure : { kind: "failed", reason: messageOf(error) } };
  }
}
/**
 * @param {string} name
 * @param {unknown} request
 */
async function answerOf(name, request) {
  const question = CALLS.get(name);
  if (!question) throw new CallError({ kind: "contract_broken", missing: [`${name} of the bridge script`] });
  const lacks = question.needs(request).flatMap(missing);
  if (lacks.length > 0) {
    // Modules arrive in waves: unless the page waits for a link or is synced, what is missing may only be late.
    const isWhole = waitsForLink() || use("WAWebSocketModel.Socket")?.hasSynced === true;
    throw new CallError(isWhole ? { kind: "contract_broken", missing: lacks } : { kind: "booting" });
  }
  return question.run(request);
}

function isUsable() {
  return !logoutTold && isRegistered() && use("WAWebSocketModel.Socket")?.hasSynced === true;
}
function isRegistered() {
  return use("WAWebUserPrefsMultiDevice.isRegistered")?.() === true;
}
