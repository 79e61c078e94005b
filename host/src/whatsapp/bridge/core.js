// Reaching WhatsApp Web's own modules, and telling the gateway.
//
// A module is looked up in the loader's own map before it is required: requiring an unknown name is reported to the
// makers of the page. Nothing is kept: modules arrive in waves, and a name that is missing now may be there later.
function use(path) {
  const [name, key] = path.split(".");
  const record = loader().modulesMap[name];
  if (!record || record.dependencies == null || record.depPosition < record.dependencies.length) return undefined;
  const value = window.require(name);
  return key === undefined || value === undefined || value === null ? value : value[key];
}
function loader() {
  return typeof window.require === "function" ? window.require("__debug") : { modulesMap: {} };
}
function missing(capability) {
  return CONTRACT[capability].filter((path) => use(path) === undefined);
}

const page = Math.random().toString(36).slice(2);
let count = 0;
function emit(type, data) {
  const tell = window[BINDING];
  if (tell) tell(JSON.stringify({ page, n: ++count, type, ...data }));
}

// WhatsApp Web reports every error it sees to its makers, so none of ours may get out.
function safely(work) {
  return (...args) => {
    try {
      const result = work(...args);
      if (result && typeof result.then === "function") result.then(undefined, () => {});
      return result;
    } catch {
      return undefined;
    }
  };
}
const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

// Both forms of an address, as far as this page knows them without asking the server.
function address(wid) {
  const chat = String(wid);
  const known = (path) => {
    try {
      const other = use(path)?.(wid);
      return other ? String(other) : null;
    } catch {
      return null;
    }
  };
  if (chat.endsWith("@lid")) return { chat, lid: chat, pn: known("WAWebApiContact.getPhoneNumber") };
  if (chat.endsWith("@c.us")) return { chat, pn: chat, lid: known("WAWebApiContact.getCurrentLid") };
  return { chat, pn: null, lid: null };
}
const bounded = (set, value) => {
  if (set.size > 5000) set.delete(set.values().next().value);
  set.add(value);
};
