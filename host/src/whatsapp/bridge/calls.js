// The calls of the gateway. Their answers have one form: `{ok: value}`, or `{error: failure}` with
// a `CallFailure`. Its kind tells whether anything may have been begun: after `failed` this is
// unknown, after every other kind nothing was.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WAWebUserPrefsMultiDevice.isRegistered": () => boolean;
 * }} CallsModules
 */

// Ends a call with a failure instead of an answer.
class CallError extends Error {
  /** @param {CallFailure} failure */
  constructor(failure) {
    super(failure.kind);
    this.failure = failure;
  }
}
/** @param {unknown} reason */
const refusal = (reason) => new CallError({ kind: "refused", reason: String(reason) });
/** @param {any} error Anything that was thrown; the page also throws values that are not an `Error`. */
const messageOf = (error) => String(error?.message || error);

/** @type {Map<string, {run: (request: any) => unknown, needs: (request: any) => Capability[]}>} */
const CALLS = new Map();
/**
 * Registers a question of the gateway. The answer is the return value, or the value that its
 * promise resolves to.
 * @template R
 * @param {string} name
 * @param {(request: R) => unknown} run
 * @param {Capability[] | ((request: R) => Capability[])} needs The question is not begun without them.
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
    // Modules arrive in waves: until the page waits to be linked or has synced, a missing module
    // may just not have been loaded yet.
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
