// Refusals of WhatsApp, with their codes.
//
// The page discards the server's code: a refused message ends as ERROR_UNKNOWN, whatever the
// reason. The code is read where the page still has it, in the result of its own send job; the page
// looks that job up by name on every call, so it can be replaced. Where a build has no such job, a
// refusal counts as 463 only when WhatsApp confirms, on request, that the account is locked.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WAWebGetReachoutTimelockJob.fetchReachoutTimelock": () => unknown;
 *   "WAWebReachoutTimelockUtils.REACHOUT_TIMELOCK_IDB_KEY": string;
 *   "WAWebReachoutTimelockUtils.isUserReachoutTimelocked": () => boolean;
 *   "WAWebSendMsgJob": { encryptAndSendMsg: SendJob };
 *   "WAWebSendMsgJob.encryptAndSendMsg": SendJob;
 *   "WAWebUserPrefsIndexedDBStorage.userPrefsIdb": { get(key: string): { time_enforcement_ends?: unknown } | undefined };
 * }} RefusalsModules
 */

const LOCK_WAIT = 5_000;
/** @type {Map<string, number>} */
const codes = new Map();
/** @type {Set<string>} */
const refusedTold = new Set();

let codesWatched = false;
function watchCodes() {
  if (codesWatched) return;
  const jobs = use("WAWebSendMsgJob");
  const send = use("WAWebSendMsgJob.encryptAndSendMsg");
  if (!jobs || typeof send !== "function") return;
  codesWatched = true;
  const note = safely(noteCode, "the codes of refusals");
  jobs.encryptAndSendMsg = function (record, ...rest) {
    const sent = send.call(this, record, ...rest);
    if (typeof sent?.then === "function") sent.then((answer) => note(record, answer), () => {});
    return sent;
  };
}
/**
 * @param {SendRecord} record
 * @param {{error?: unknown} | null | undefined} answer
 */
function noteCode(record, answer) {
  // Null and undefined are no refusal, and `Number(null)` would be the code 0.
  const code = Number(answer?.error ?? NaN);
  if (!Number.isInteger(code)) return;
  if (codes.size > 500) dropOldest(codes);
  codes.set(partsOf(record.data.id).id, code);
}

// The reach-out time lock, which forbids writing to people without a chat: null without a lock,
// otherwise its end as far as it is known. The page keeps a lock until the server withdraws it; a
// lock whose end has passed is asked about and does not count.
let lockAsked = 0;
// A build without this function does not know whether there is a lock.
function isLockKnown() {
  return typeof use("WAWebReachoutTimelockUtils.isUserReachoutTimelocked") === "function";
}
/** @returns {{until: number | null} | null} */
function reachoutLock() {
  if (use("WAWebReachoutTimelockUtils.isUserReachoutTimelocked")?.() !== true) return null;
  const kept = attempt(() => {
    const key = need("WAWebReachoutTimelockUtils.REACHOUT_TIMELOCK_IDB_KEY");
    return need("WAWebUserPrefsIndexedDBStorage.userPrefsIdb").get(key);
  });
  const until = Math.trunc(Number(kept?.time_enforcement_ends));
  if (!(until > 0)) return { until: null };
  if (until > Date.now()) return { until };
  if (Date.now() - lockAsked > 60_000) safely(askLock)();
  return null;
}
async function askLock() {
  lockAsked = Date.now();
  const asked = Promise.resolve(use("WAWebGetReachoutTimelockJob.fetchReachoutTimelock")?.());
  await within(LOCK_WAIT, asked.catch(() => {}));
}

// Reports a refusal once for each time that a message is given to the page.
const tellRefused = safely(
  /**
   * @param {string} id
   * @param {Wid} chat
   * @param {string} reason
   */
  async function tellRefused(id, chat, reason) {
    if (refusedTold.has(id)) return;
    bounded(refusedTold, id);
    let code = codes.get(id) ?? null;
    codes.delete(id);
    const unsure = code === null && /^(ERROR_UNKNOWN|ack -1)$/.test(reason) && missing("nack_codes").length > 0;
    if (code === 463 || unsure) await askLock();
    const lock = reachoutLock();
    if (unsure && lock) code = 463;
    // The lock is reported before the refusal, so that the gateway knows its end when it handles
    // the refusal.
    tellStatus();
    emit("refused", { id, address: address(chat), reason, code, until: code === 463 ? lock?.until ?? null : null });
  },
);
