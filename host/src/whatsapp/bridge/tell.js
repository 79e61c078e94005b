// Reports to the gateway, and the handling of errors.
//
// A report is always JSON that every parser accepts: half a surrogate pair, which `JSON.stringify`
// writes as an escape sequence, is no character to the gateway, and would cost the whole message.
const page = Math.random().toString(36).slice(2);
let count = 0;
/**
 * Says how many characters that were. What is more than the gateway takes at a time is not said: it would be dropped there,
 * and the gateway could not say which message it was that it will never record.
 * @param {string} type
 * @param {object} data
 */
function emit(type, data = {}) {
  count += 1;
  const said = written({ page, n: count, type, ...data });
  // A unit of a text has three bytes at most.
  if (said.length * 3 > MOST_SAID && new TextEncoder().encode(said).length > MOST_SAID) {
    throw new RangeError(`news of the type ${type} are too long to be told`);
  }
  window[BINDING]?.(said);
  return said.length;
}
/** @param {object} value */
function written(value) {
  const text = JSON.stringify(value);
  // Only half a pair is written as such an escape. A backslash that somebody typed matches too, and
  // only costs the second pass.
  if (!text.includes("\\ud")) return text;
  return JSON.stringify(value, (_, part) => (typeof part === "string" ? wellFormed(part) : part));
}
const HALF_PAIR = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
/** @param {string} text */
const wellFormed = (text) => text.toWellFormed?.() ?? text.replace(HALF_PAIR, "\uFFFD");

// WhatsApp Web reports every error it sees to its makers, and a listener that throws interrupts its
// work: no error of ours may escape. A fault is reported to the gateway by the kind of the error
// and never by its text, which may quote a message. A repeated fault is reported once, and from
// then on once a minute with its count.
const FAULTS = 50;
const FAULT_PAUSE = 60_000;
/** @type {Map<string, {where: string, error: string, count: number}>} */
const faults = new Map();
/**
 * @param {string} where
 * @param {any} error
 */
function fault(where, error) {
  let [place, kind] = [where, String(attempt(() => error?.name) ?? typeof error).slice(0, 80)];
  // The number of kinds that are told apart is limited.
  if (!faults.has(`${place} ${kind}`) && faults.size >= FAULTS) [place, kind] = ["other places", "other errors"];
  const known = faults.get(`${place} ${kind}`);
  if (known) {
    known.count += 1;
    return;
  }
  if (faults.size === 0) setInterval(tellFaults, FAULT_PAUSE);
  faults.set(`${place} ${kind}`, { where: place, error: kind, count: 1 });
  tellFaults();
}
function tellFaults() {
  for (const one of faults.values()) {
    if (one.count > 0) attempt(() => emit("fault", one));
    one.count = 0;
  }
}
/**
 * Wraps a function so that it never throws: an error becomes a fault.
 * @template {any[]} A
 * @template R
 * @param {(...args: A) => R} work
 * @param {string} where
 * @returns {(...args: A) => R | undefined}
 */
function safely(work, where = work.name || "a listener") {
  return (...args) => {
    try {
      const result = work(...args);
      if (isPromise(result)) result.then(undefined, (error) => fault(where, error));
      return result;
    } catch (error) {
      fault(where, error);
      return undefined;
    }
  };
}
/**
 * @param {any} value
 * @returns {value is PromiseLike<unknown>}
 */
const isPromise = (value) => typeof value?.then === "function";
/**
 * Runs work whose failure is an ordinary answer.
 * @template T
 * @param {() => T} work
 * @returns {T | undefined}
 */
function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}
/**
 * @param {number} millis
 * @returns {Promise<void>}
 */
const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
/**
 * @template T
 * @param {number} millis
 * @param {Promise<T>} promise
 */
const within = (millis, promise) => Promise.race([promise, sleep(millis)]);
