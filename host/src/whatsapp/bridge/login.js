// A login is kept in Local Storage (and IndexedDB). Chromium writes Local Storage to disk seconds
// to a minute late, so a browser that is killed soon after linking loses it and keeps IndexedDB.
// The gateway keeps a copy and restores it, once per browser, before WhatsApp Web reads it. A login
// that was ended leaves `post-logout` there and is not restored.
const NOT_LOGIN = new Set(["whatsapp-mutex", "post-logout"]);
let loginTold = false;

function restoreLogin() {
  if (LOGIN === null || sessionStorage.getItem("wharf-login") !== null) return;
  sessionStorage.setItem("wharf-login", "1");
  if (localStorage.getItem("last-wid-md") !== null || localStorage.getItem("post-logout") !== null) return;
  for (const [key, value] of Object.entries(LOGIN)) localStorage.setItem(key, value);
}

function tellLogin() {
  if (loginTold || localStorage.getItem("last-wid-md") === null) return;
  loginTold = true;
  /** @type {Record<string, string>} */
  const entries = {};
  for (const key of Object.keys(localStorage)) {
    const value = localStorage.getItem(key);
    if (value !== null && !NOT_LOGIN.has(key) && value.length <= 4096) entries[key] = value;
  }
  emit("login", { entries });
}
