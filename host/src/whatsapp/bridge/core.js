// Reaching WhatsApp Web's own modules, and telling the gateway.
//
// A module is looked up in the loader's own map before it is required: requiring an unknown name is reported to the
// makers of the page. Where that map is gone, or its records look different, a guarded import serves: what fails in it is
// thrown to us and reported to nobody. Nothing is kept: modules arrive in waves, and a name that is missing now may be
// there later.
function use(path) {
  const [name, key] = path.split(".");
  const value = moduleOf(name);
  return key === undefined || value === undefined || value === null ? value : value[key];
}

function moduleOf(name) {
  if (typeof window.require !== "function") return undefined;
  const map = modulesMap();
  const record = map?.[name];
  if (map && record === undefined) return undefined;
  if (!map || !isRecord(record)) return guardedImport(name);
  if (record.dependencies == null || record.depPosition < record.dependencies.length) return undefined;
  return window.require(name);
}
function modulesMap() {
  const map = guardedImport("__debug")?.modulesMap;
  return map !== null && typeof map === "object" ? map : undefined;
}
const isRecord = (record) =>
  record !== null && typeof record === "object" && "dependencies" in record && (record.dependencies == null || (Array.isArray(record.dependencies) && Number.isFinite(record.depPosition)));

function guardedImport(name) {
  const guard = window.ErrorGuard;
  try {
    guard?.skipGuardGlobal?.(true);
    return window.require(name) ?? undefined;
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

function missing(capability) {
  return CONTRACT[capability].parts.filter((path) => use(path) === undefined);
}

// Both forms of an address, as far as this page knows them without asking the server.
function address(wid) {
  const chat = String(wid);
  const known = (path) => {
    const other = attempt(() => use(path)?.(wid));
    return other ? String(other) : null;
  };
  if (chat.endsWith("@lid")) return { chat, lid: chat, pn: known("WAWebApiContact.getPhoneNumber") };
  if (chat.endsWith("@c.us")) return { chat, pn: chat, lid: known("WAWebApiContact.getCurrentLid") };
  return { chat, pn: null, lid: null };
}
const bounded = (set, value) => {
  if (set.size > 5000) set.delete(set.values().next().value);
  set.add(value);
};
