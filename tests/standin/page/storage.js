// The data that survives a restart: Local Storage and IndexedDB, divided as on the real page. A login needs both.
const DATABASES = { "wawc_db_enc": ["keys"], "signal-storage": ["meta"], "model-storage": ["message", "chat", "lid-pn", "contact"], "wawc": ["user"] };

const db = {
  open(name) {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => DATABASES[name].forEach((store) => {
        const made = request.result.createObjectStore(store, { keyPath: "id" });
        if (store === "message") made.createIndex("keyId", "keyId");
      });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  },
  connections: new Map(),
  async store(name, store, mode) {
    if (!this.connections.has(name)) this.connections.set(name, this.open(name));
    return (await this.connections.get(name)).transaction(store, mode, { durability: "relaxed" }).objectStore(store);
  },
  // Rejected when a log-out destroys the storage: what is being read then fails, as on the real page.
  ...(() => {
    const { promise, reject } = Promise.withResolvers();
    promise.catch(() => {});
    return { destroyed: promise, destroy: () => reject(new Error("the storage is destroyed")) };
  })(),
  async run(name, store, mode, work) {
    const target = await Promise.race([this.destroyed, this.store(name, store, mode)]);
    return new Promise((resolve, reject) => {
      const request = work(target);
      target.transaction.oncomplete = () => resolve(request.result);
      target.transaction.onerror = () => reject(target.transaction.error);
      target.transaction.onabort = () => reject(target.transaction.error);
    });
  },
  get(name, store, id) { return this.run(name, store, "readonly", (s) => s.get(id)); },
  all(name, store) { return this.run(name, store, "readonly", (s) => s.getAll()); },
  by(name, store, index, value) { return this.run(name, store, "readonly", (s) => s.index(index).getAll(value)); },
  put(name, store, row) { return this.run(name, store, "readwrite", (s) => s.put(row)); },
  async wipe() {
    for (const open of this.connections.values()) (await open).close();
    this.connections.clear();
    for (const name of Object.keys(DATABASES)) {
      await new Promise((resolve) => { const r = indexedDB.deleteDatabase(name); r.onsuccess = r.onerror = r.onblocked = resolve; });
    }
  },
};

// The credentials of this profile.
const prefs = {
  noise: null,
  identity: null,
  advSecret: null,
  read(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
  write(key, value) { localStorage.setItem(key, JSON.stringify(value)); },
  mePn() { const wid = this.read("last-wid-md"); return wid ? userWid(createWid(wid)) : undefined; },
  mePnDevice() { const wid = this.read("last-wid-md"); return wid ? createWid(wid) : undefined; },
  meLid() { const wid = this.read("WALid"); return wid ? userWid(createWid(wid)) : null; },
  isMe(wid) { const user = userWid(wid); return user.equals(this.mePn()) || user.equals(this.meLid()); },
  migrated() { return this.read("lid-migrated") === true; },
  isRegistered() { return localStorage.getItem("WANoiseInfo") !== null && localStorage.getItem("last-wid-md") !== null; },
  newAdvSecret() { this.advSecret = b64(randomBytes(32)); },

  async open() {
    if (localStorage.getItem("post-logout") || !localStorage.getItem("last-wid-md")) {
      await db.wipe();
      for (const key of ["WANoiseInfo", "last-wid-md", "WALid", "post-logout", "lid-migrated"]) localStorage.removeItem(key);
    }
    const sealed = this.read("WANoiseInfo");
    const key = await db.get("wawc_db_enc", "keys", 1);
    const signal = await db.get("signal-storage", "meta", "registration");
    if (sealed && key && signal && sealed.key === key.fingerprint) {
      this.noise = unb64(sealed.pub);
      this.identity = signal.pub;
    } else {
      localStorage.removeItem("WANoiseInfo");
      localStorage.removeItem("last-wid-md");
      await this.fresh();
    }
  },
  async fresh() {
    this.noise = randomBytes(32).buffer;
    this.identity = randomBytes(32).buffer;
    await db.put("signal-storage", "meta", { id: "registration", pub: this.identity });
  },
  async link({ pn, device, lid, pushname, platform, lidMigrated }) {
    const fingerprint = b64(randomBytes(8));
    await db.put("wawc_db_enc", "keys", { id: 1, fingerprint });
    this.write("WANoiseInfo", { pub: b64(this.noise), key: fingerprint });
    this.write("WAWebEncKeySalt", b64(randomBytes(16)));
    this.write("last-wid-md", `${pn}:${device}@c.us`);
    this.write("WALid", `${lid}:${device}@lid`);
    this.write("lid-migrated", !!lidMigrated);
    this.write("last-pushname", pushname);
    this.write("me-display-name", pushname);
    this.write("platform", platform);
  },
  // The mark stands only until everything is cleared; Session Storage is cleared as a whole.
  async clear() {
    localStorage.setItem("post-logout", "1");
    for (const key of Object.keys(localStorage)) if (key !== "post-logout") localStorage.removeItem(key);
    sessionStorage.clear();
    db.destroy();
    await db.wipe();
    localStorage.removeItem("post-logout");
  },
};

// Preferences in IndexedDB, with a copy in memory so that they can be read synchronously.
const userPrefsIdb = {
  values: new Map(),
  async open() { for (const row of await db.all("wawc", "user")) this.values.set(row.id, row.value); },
  get(key) { return this.values.get(key); },
  async set(key, value) { this.values.set(key, value); await db.put("wawc", "user", { id: key, value }); },
  async remove(key) { this.values.delete(key); await db.run("wawc", "user", "readwrite", (s) => s.delete(key)); },
};
