// What WhatsApp refuses, with its code.
//
// The page throws the server's code away: a refused message ends as ERROR_UNKNOWN, whatever the reason was. The code is
// read where the page still has it, in the answer of its own job that sends; the page calls that job by its name each
// time, so it can be replaced. Where a build has no such job, a message counts as refused with 463 only when WhatsApp,
// asked for it, says that the account is locked.

/**
 * What is used of WhatsApp Web here alone.
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
  // Null as well as undefined is no refusal, and would be read as the code 0.
  const code = Number(answer?.error ?? NaN);
  if (!Number.isInteger(code)) return;
  if (codes.size > 500) dropOldest(codes);
  codes.set(partsOf(record.data.id).id, code);
}

// The lock on writing to people without a chat: none, or its end as far as it is known. The page keeps a lock until the
// server says otherwise; one whose end is past is asked about and does not count.
let lockAsked = 0;
// A build that cannot say is not one that says no.
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

// Told once for each time that a message is given to the page.
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
    // The lock before the refusal: who hears of both knows the end of the one from the other.
    tellStatus();
    emit("refused", { id, address: address(chat), reason, code, until: code === 463 ? lock?.until ?? null : null });
  },
);
