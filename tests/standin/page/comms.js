// The connection: socket loop, pairing, login, sync, logout. States come in the order the real page sets them.
const Socket = new Model({ state: "UNLAUNCHED", stream: "DISCONNECTED" }, { hasSynced: undefined });
const Stream = new Model({ mode: "QR", info: "OPENING", displayInfo: "OPENING", available: false, needsUpdate: false, isHardRefresh: false, couldForce: false });
const Conn = new Model({ id: "self", platform: undefined, smbTos: undefined, pushname: undefined }, { ref: undefined, refTTL: undefined, isSMB: false });
const Cmd = new CmdImpl();
const BackendEventBus = new Emitter();
Cmd.isOfflineDeliveryEnd = false;
Cmd.isMainStreamReadyMd = false;

// A bridge event is triggered on both emitters: on the bus by its own name, on Cmd with a suffix.
function announce(name, ...args) {
  BackendEventBus.trigger(name, ...args);
  Cmd.trigger(name + "_from_bridge", ...args);
}

const comms = {
  socket: null,
  stopped: false,
  attempt: 0,
  qrTimer: null,
  requests: new Map(),
  nextRequest: 1,
  openWaiters: [],
  offlineWaiters: [],
  offlineProgress: 0,

  start() { this.stopped = false; this.loop(); },
  stop() {
    this.stopped = true;
    clearTimeout(this.qrTimer);
    if (this.socket) this.socket.close();
    this.socket = null;
    this.forget();
  },
  send(frame) {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  },
  // A query waits for a connection without a time limit, as the real one does.
  async query(frame) {
    await this.whenOpen();
    const request = this.nextRequest++;
    return new Promise((resolve, reject) => {
      this.requests.set(request, { resolve, reject, frame });
      this.send({ ...frame, request });
    });
  },
  // A query before the login: it needs an open socket, and fails when the connection is lost.
  ask(frame) {
    const request = this.nextRequest++;
    return new Promise((resolve, reject) => {
      if (!this.send({ ...frame, request })) return reject(new Error("the socket is not open"));
      this.asked.set(request, { resolve, reject });
    });
  },
  asked: new Map(),
  forget() {
    for (const { reject } of this.asked.values()) reject(new Error("the socket was closed"));
    this.asked.clear();
  },
  // A send waits until everything that had arrived was received.
  whenOfflineEnds() { return Cmd.isOfflineDeliveryEnd ? Promise.resolve() : new Promise((resolve) => this.offlineWaiters.push(resolve)); },
  whenOpen() { return this.loggedIn ? Promise.resolve() : new Promise((resolve) => this.openWaiters.push(resolve)); },

  loop() {
    if (this.stopped) return;
    Socket.state = "OPENING";
    Stream.info = "OPENING";
    const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws");
    this.socket = socket;
    socket.onopen = () => {
      Socket.state = "PAIRING"; // means only that the socket is open
      Stream.info = "PAIRING";
      this.send({ type: "hello", noise: b64(prefs.noise), identity: b64(prefs.identity), registered: prefs.isRegistered(), version: site.version });
    };
    socket.onmessage = (event) => { if (this.socket === socket) this.take(JSON.parse(event.data)); };
    socket.onclose = () => { if (this.socket === socket) this.lost(); };
  },
  lost() {
    this.socket = null;
    this.loggedIn = false;
    clearTimeout(this.qrTimer);
    this.forget();
    if (Socket.stream !== "DISCONNECTED") Socket.stream = "DISCONNECTED";
    Stream.info = "OFFLINE";
    if (this.stopped) return;
    // The state stays CONNECTED until the next attempt: after about a second, then by Fibonacci numbers.
    const [a, b] = this.fib || [1, 1];
    this.fib = [b, Math.min(a + b, 900)];
    setTimeout(() => this.loop(), this.restarting ? 10 : a * 1000 * site.clock);
    this.restarting = false;
  },

  async take(frame) {
    switch (frame.type) {
      case "pair-device": return this.pairDevice(frame);
      case "companion-hello": {
        this.asked.get(frame.request)?.resolve(frame);
        this.asked.delete(frame.request);
        return undefined;
      }
      case "primary-hello":
      case "alt-refresh": return alt.take(frame);
      case "pair-success": return this.pairSuccess(frame);
      case "connected": // handshake done, before the server's <success>
        Socket.state = "CONNECTED";
        Stream.info = "CONNECTING";
        return undefined;
      case "success": return this.success(frame);
      case "synced": return this.synced();
      case "answer": {
        const request = this.requests.get(frame.request);
        this.requests.delete(frame.request);
        if (!request) return undefined;
        return frame.error ? request.reject(serverError(frame.error)) : request.resolve(frame.value);
      }
      case "ack": return outbox.acked(frame);
      case "receipt": return receipts.take(frame);
      case "message": return inbound.take(frame);
      case "mediaretry": return media.retried(frame);
      case "offline-end":
        this.offlineProgress = 99; // it never says 100
        announce("offline_progress_update");
        Cmd.isOfflineDeliveryEnd = true;
        this.offlineWaiters.splice(0).forEach((resolve) => resolve());
        announce("offline_delivery_end");
        return undefined;
      case "stream-error": return this.streamError(frame);
      case "failure": return this.failure(frame);
      case "update":
        Stream.set(frame.hard ? { isHardRefresh: true, needsUpdate: true } : { needsUpdate: true });
        if (frame.hard) Updater.update(undefined, true, 200);
        return undefined;
      case "dialog": return setTimeout(() => window.alert("WhatsApp"), 0);
      case "navigate": return frame.url ? location.assign(frame.url) : location.reload();
      case "modal": return ui.modal(frame.text || "");
      case "reachout-timelock": return timelock.take(frame.locked !== false ? { ends: frame.ends } : null);
      case "revoke": return amendments.revoke(frame);
      case "edit": return amendments.edit(frame);
      // A job of the sync ends: from then on the stream counts as connected, whatever the connection's state is.
      case "sync-signal": return void setTimeout(() => Socket.set({ stream: "CONNECTED" }), frame.after || 0);
      case "hang": { const until = Date.now() + frame.millis; while (Date.now() < until); return undefined; }
      default: return passkey.take(frame);
    }
  },

  pairDevice(frame) {
    prefs.newAdvSecret(); // each batch has its own
    const refs = [...frame.refs];
    const rotate = () => {
      if (prefs.isRegistered() || !this.socket) return; // stops without an event
      if (refs.length === 0) {
        Socket.state = "UNPAIRED_IDLE";
        ui.qr(null);
        return;
      }
      const ttl = (refs.length === frame.refs.length ? 60000 : 20000) * site.clock;
      const ref = refs.shift();
      this.send({ type: "ref", ref, adv: prefs.advSecret }); // so that the server knows what can be scanned
      Conn.set({ refTTL: ttl });
      Conn.set({ ref }); // before the state changes
      Socket.state = "UNPAIRED";
      Stream.set({ mode: "QR", info: "NORMAL" });
      ui.qr(qrText());
      this.qrTimer = setTimeout(rotate, ttl);
    };
    rotate();
  },
  async pairSuccess(frame) {
    if (frame.adv !== prefs.advSecret) return this.send({ type: "pair-error", reason: "adv secret does not match" });
    clearTimeout(this.qrTimer);
    await prefs.link(frame);
    Conn.set({ platform: frame.platform, pushname: frame.pushname });
    this.restarting = true;
    this.send({ type: "pair-done" }); // the server answers with 515 and closes
    return undefined;
  },
  success(frame) {
    this.fib = null;
    announce("account_temporarily_banned", { banned: false }); // at every login and reconnect, to revoke an earlier ban
    loadMain();
    Conn.set({ platform: prefs.read("platform"), pushname: frame.pushname });
    if (Socket.hasSynced) {
      Socket.stream = "RESUMING";
      this.ready();
      Socket.stream = "CONNECTED";
      // The server announces what has arrived meanwhile.
      Cmd.isOfflineDeliveryEnd = false;
      announce("offline_delivery_state_reset");
    } else {
      Socket.stream = "SYNCING";
      Stream.set({ mode: "SYNCING", info: "SYNCING" });
    }
  },
  async synced() {
    await mainLoaded;
    this.ready();
    ui.app();
    Socket.set({ stream: "CONNECTED" });
    Stream.set({ mode: "MAIN", info: "NORMAL", displayInfo: "NORMAL" });
    if (!Socket.hasSynced) Socket.set({ hasSynced: true });
    Cmd.isMainStreamReadyMd = true;
    announce("main_stream_mode_ready");
  },
  ready() {
    this.loggedIn = true;
    Stream.info = "NORMAL";
    for (const [request, { frame }] of this.requests) this.send({ ...frame, request });
    this.openWaiters.splice(0).forEach((resolve) => resolve());
    outbox.resume();
  },

  streamError(frame) {
    if (frame.code === 515) { this.restarting = true; return this.socket && this.socket.close(); }
    if (frame.conflict === "replaced") {
      // The connection ends for good without an event: state, hasSynced and mode stay as they were.
      this.stop();
      this.loggedIn = false;
      Socket.stream = "DISCONNECTED";
      return undefined;
    }
    if (frame.conflict === "device_removed" || frame.code === 516) return this.removed();
    return this.socket && this.socket.close();
  },
  async removed(reason) {
    announce("starting_logout");
    this.stop();
    Socket.stream = "DISCONNECTED";
    await prefs.clear();
    if (reason !== undefined) sessionStorage.setItem("logout-reason", reason);
    setTimeout(() => location.reload(), 600 * site.clock);
  },
  async failure(frame) {
    if (frame.code === 402) {
      announce("account_temporarily_banned", { banned: true, code: Number(frame.banCode || 101), message: undefined, url: undefined, expire: frame.expire });
      return this.socket && this.socket.close();
    }
    if (frame.code === 503) return announce("service_unavailable_503");
    // The page is too old: it reloads itself at once. Stream shows nothing of this.
    if (frame.code === 405 || frame.code === 409) {
      Updater.update(site.version, false, 0);
      return this.stop();
    }
    return this.removed(frame.code === 403 ? "3" : "0");
  },
  // The order is the real one: noise info first, then the server, the storages, the reload.
  logout() {
    localStorage.removeItem("WANoiseInfo");
    announce("starting_logout");
    Socket.set({ hasSynced: undefined });
    (async () => {
      this.send({ type: "unpair" });
      await new Promise((resolve) => setTimeout(resolve, 50));
      this.stop();
      Socket.stream = "DISCONNECTED";
      await prefs.clear();
      announce("logout");
      // The page loads twice: the one with the reason in its address redirects to the plain one.
      location.href = location.pathname + "?post_logout=1&logout_reason=0";
    })();
    return undefined;
  },
};

// Reloads the page; the delay is 0 when the server refuses this version.
const Updater = {
  update(version, hard, delay) { if (typeof delay === "number") setTimeout(() => location.reload(), delay); },
};

class ServerStatusCodeError extends Error {
  constructor(status) { super("ServerStatusCodeError: " + status); this.name = "ServerStatusCodeError"; this.status = status; this.statusCode = status; }
}
function serverError(status) { return new ServerStatusCodeError(status); }

function qrText() {
  return [Conn.ref, b64(prefs.noise), b64(prefs.identity), prefs.advSecret, DEVICE_PLATFORM].join(",");
}
const DEVICE_PLATFORM = devicePlatform(navigator.userAgent);
function devicePlatform(agent) {
  if (/Edg\//.test(agent)) return "2";
  return /Chrome\//.test(agent) ? "1" : "9";
}

// The visible page, which clients use as a fallback.
const ui = {
  qr(text) {
    const app = document.getElementById("app");
    app.innerHTML = "";
    const box = document.createElement("div");
    if (text) box.setAttribute("data-ref", text);
    box.textContent = text ? "Scan to log in" : "Click to reload QR code";
    app.append(box);
  },
  modal(text) {
    const modal = document.createElement("div");
    modal.setAttribute("data-animate-modal-popup", "true");
    modal.textContent = text;
    document.body.append(modal);
  },
  app() {
    const app = document.getElementById("app");
    app.innerHTML = '<div id="side"></div>';
  },
};
