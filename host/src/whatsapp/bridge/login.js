// What makes a login lies in Local Storage (and IndexedDB). Chromium writes Local Storage to the disk seconds to a
// minute late, so a browser that is killed soon after linking loses it and keeps IndexedDB. The gateway keeps a copy
// and puts it back, once per browser, before WhatsApp Web looks.
//
// Only the first document of a browser gets the copy as `LOGIN`: at a log-out WhatsApp Web clears Local Storage and Session
// Storage, so nothing that is noted there would keep a later document from bringing the ended login back. `post-logout`
// stands in Local Storage while a log-out is not complete. The note in Session Storage is for a document that takes the
// place of the first one while the page is still being opened.
const NOT_LOGIN = new Set(["whatsapp-mutex", "post-logout"]);
let loginTold = false;

function restoreLogin() {
  if (LOGIN === null || sessionStorage.getItem("wharf-login") !== null) return;
  sessionStorage.setItem("wharf-login", "1");
  if (localStorage.getItem("last-wid-md") !== null || localStorage.getItem("post-logout") !== null) return;
  for (const [key, value] of Object.entries(LOGIN)) localStorage.setItem(key, value);
}

function tellLogin() {
  if (loginTold || logoutTold || localStorage.getItem("last-wid-md") === null) return;
  loginTold = true;
  /** @type {Record<string, string>} */
  const entries = {};
  for (const key of Object.keys(localStorage)) {
    const value = localStorage.getItem(key);
    if (value !== null && !NOT_LOGIN.has(key) && value.length <= 4096) entries[key] = value;
  }
  emit("login", { entries });
}
