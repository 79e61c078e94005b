// Access to WhatsApp Web's own modules.
//
// A module is looked up in the loader's own map before it is required, because the page reports a
// request for an unknown name to its makers. Where that map is missing, or its records look
// different, a guarded import is used instead: an error in it is thrown to us and not reported.
// Nothing is cached: modules arrive in waves, and a name that is missing now may exist later.

/**
 * The parts of WhatsApp Web that only this file uses.
 * @typedef {{
 *   "WAWebApiContact.getPhoneNumber": (wid: Wid | string) => Wid | null | undefined;
 * }} CoreModules
 */

/**
 * A module, or one of its exports, as `Module` or `Module.export`; undefined while it does not
 * exist.
 * @template {keyof WhatsApp} P
 * @param {P} path
 * @returns {WhatsApp[P] | undefined}
 */
function use(path) {
  return lookUp(path);
}
/**
 * The same, for a part that the caller cannot do without.
 * @template {keyof WhatsApp} P
 * @param {P} path
 * @returns {NonNullable<WhatsApp[P]>}
 */
function need(path) {
  const value = lookUp(path);
  if (value === undefined || value === null) throw new TypeError(`${path} is not there`);
  return value;
}
/**
 * @param {string} path
 * @returns {any}
 */
function lookUp(path) {
  const [name = "", key] = path.split(".");
  const value = moduleOf(name);
  return key === undefined || value === undefined || value === null ? value : value[key];
}

/**
 * @param {string} name
 * @returns {any}
 */
function moduleOf(name) {
  if (typeof window.require !== "function") return undefined;
  const map = modulesMap();
  const record = map?.[name];
  if (map && record === undefined) return undefined;
  if (!map || !isRecord(record)) return guardedImport(name);
  if (record.dependencies == null || record.depPosition < record.dependencies.length) return undefined;
  return window.require(name);
}
/** @returns {Record<string, unknown> | undefined} */
function modulesMap() {
  const map = guardedImport("__debug")?.modulesMap;
  return map !== null && typeof map === "object" ? map : undefined;
}
/**
 * @param {unknown} record
 * @returns {record is ModuleRecord}
 */
function isRecord(record) {
  if (record === null || typeof record !== "object" || !("dependencies" in record)) return false;
  const { dependencies, depPosition } = /** @type {Partial<ModuleRecord>} */ (record);
  return dependencies == null || (Array.isArray(dependencies) && Number.isFinite(depPosition));
}

/**
 * @param {string} name
 * @returns {any}
 */
function guardedImport(name) {
  const guard = window.ErrorGuard;
  try {
    guard?.skipGuardGlobal?.(true);
    return window.require?.(name) ?? undefined;
  } catch {
    return undefined;
  } finally {
    guard?.skipGuardGlobal?.(false);
  }
}
// How modules are found in this build: "map", or "import" when the map cannot be used.
function loaderKind() {
  const map = modulesMap();
  const some = map?.WAWebSocketModel ?? map?.WAWebCollections;
  return map && (some === undefined || isRecord(some)) ? "map" : "import";
}

/**
 * The parts of a capability that this build lacks, as `Module.export`.
 * @param {Capability} capability
 */
function missing(capability) {
  return CONTRACT[capability].parts.filter((path) => lookUp(path) === undefined);
}

// Subscriptions to emitters that are not there yet; each status looks for them again.
/** @type {{path: EmitterPath, events: string, listener: (...args: any[]) => unknown}[]} */
let awaited = [];
/** @type {Set<EmitterPath>} */
const subscribed = new Set();
/**
 * Subscribes to an emitter as soon as it is there. What it throws at that is a fault, and the same is not tried again.
 * @param {EmitterPath} path
 * @param {string} events
 * @param {(...args: any[]) => unknown} listener
 */
function listen(path, events, listener) {
  awaited.push({ path, events, listener });
  listenToArrived();
}
function listenToArrived() {
  const arrived = awaited.filter(({ path }) => (attempt(() => lookUp(path)) ?? null) !== null);
  awaited = awaited.filter((one) => !arrived.includes(one));
  for (const { path, events, listener } of arrived) safely(subscribe, `listening to ${path}`)(path, events, listener);
}
/**
 * @param {EmitterPath} path
 * @param {string} events
 * @param {(...args: any[]) => unknown} listener
 */
function subscribe(path, events, listener) {
  lookUp(path).on(events, listener);
  subscribed.add(path);
}

/**
 * Both forms of an address, as far as the page knows them without asking the server.
 * @param {Wid | string} wid
 * @returns {Address}
 */
function address(wid) {
  const chat = String(wid);
  /** @param {"WAWebApiContact.getPhoneNumber" | "WAWebApiContact.getCurrentLid"} path */
  const known = (path) => {
    const other = attempt(() => use(path)?.(wid));
    return other ? String(other) : null;
  };
  if (chat.endsWith("@lid")) return { chat, lid: chat, pn: known("WAWebApiContact.getPhoneNumber") };
  if (chat.endsWith("@c.us")) return { chat, pn: chat, lid: known("WAWebApiContact.getCurrentLid") };
  return { chat, pn: null, lid: null };
}
/**
 * Adds to a set that removes its oldest entry when it has grown too large.
 * @template T
 * @param {Set<T>} set
 * @param {T} value
 */
function bounded(set, value) {
  if (set.size > 5000) dropOldest(set);
  set.add(value);
}
/**
 * @template K
 * @param {Set<K> | Map<K, unknown>} kept
 */
function dropOldest(kept) {
  for (const key of kept.keys()) return void kept.delete(key);
}
