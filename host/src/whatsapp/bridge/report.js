// Which parts of the contract this build fulfils: each capability with the feature that is lost
// without it, and the parts that are missing.
function report() {
  const capabilities = CAPABILITIES.filter(isPreloaded).map((name) => {
    const lacks = missing(name);
    return { name, feature: CONTRACT[name].feature, ok: lacks.length === 0, missing: lacks };
  });
  return { version: window.Debug?.VERSION ?? null, loader: loaderKind(), capabilities, renamed: renamed() };
}
onCall("contract", report);
const CAPABILITIES = /** @type {Capability[]} */ (Object.keys(CONTRACT));

// Fields of a message key that have another name in this build, found by their values. The bridge
// reads keys from their text, so a new name does not affect it; other clients of the page break.
const KEY_FIELDS = { fromMe: true, id: "3EB0000000000000000000" };
function renamed() {
  const me = attempt(() => need("WAWebUserPrefsMeUser.getMaybeMePnUser")());
  const Key = use("WAWebMsgKey");
  const key = me && Key && attempt(() => new Key({ ...KEY_FIELDS, remote: wid("15550000000@c.us") }));
  if (!key) return [];
  const fields = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (key));
  const holds = { ...KEY_FIELDS, remote: "15550000000@c.us", _serialized: String(key) };
  return Object.entries(holds).flatMap(([expected, value]) => {
    if (isSame(fields[expected], value)) return [];
    const now = Object.keys(fields).find((field) => !(field in holds) && isSame(fields[field], value));
    return [{ what: "MsgKey", expected, now: now ?? null }];
  });
}
/**
 * @param {unknown} value
 * @param {unknown} wanted
 */
function isSame(value, wanted) {
  return value === wanted || (value != null && typeof value === "object" && String(value) === wanted);
}
