// Wids and message keys.
class InvalidWidError extends Error {
  constructor(text) {
    super("wid error: invalid wid");
    this.name = "InvalidWidError";
    Object.defineProperty(this, "given", { value: String(text), enumerable: false });
  }
}
const SERVERS = ["c.us", "lid", "g.us", "newsletter", "broadcast", "call", "bot"];
const widCache = new Map();

class Wid {
  constructor(user, server, device) {
    this.server = server;
    this.user = user;
    if (device) this.device = device;
    this._serialized = device ? `${user}:${device}@${server}` : `${user}@${server}`;
  }
  toString() { return this._serialized; }
  toJSON() { return this._serialized; }
  toJid() { return this._serialized.replace("@c.us", "@s.whatsapp.net"); }
  equals(other) { return !!other && String(other) === this._serialized; }
  isUser() { return this.server === "c.us" || this.server === "lid"; }
  isRegularUser() { return this.isUser() && this.user !== "0"; }
  isLid() { return this.server === "lid"; }
  isGroup() { return this.server === "g.us"; }
  isStatus() { return this._serialized === "status@broadcast"; }
  isBroadcast() { return this.server === "broadcast"; }
  isNewsletter() { return this.server === "newsletter"; }
  isBot() { return this.server === "bot"; }
  isPSA() { return this._serialized === "0@c.us"; }
  static isWid(x) { try { return createWid(x) instanceof Wid; } catch { return false; } }
  static isXWid(server, x) { return String(x).endsWith(`@${server}`); }
  static isUser(x) { return Wid.isXWid("c.us", x) || Wid.isXWid("lid", x); }
  static isGroup(x) { return Wid.isXWid("g.us", x); }
  static isBroadcast(x) { return Wid.isXWid("broadcast", x); }
  static isNewsletter(x) { return Wid.isXWid("newsletter", x); }
}

function createWid(text) {
  if (text instanceof Wid) return text;
  if (typeof text !== "string") throw new InvalidWidError(text);
  const full = text.replace("@s.whatsapp.net", "@c.us");
  if (widCache.has(full)) return widCache.get(full);
  const match = /^([0-9A-Za-z_.-]+)(?::([0-9]+))?@([a-z.]+)$/.exec(full);
  if (!match || !SERVERS.includes(match[3])) throw new InvalidWidError(text);
  if (match[3] === "c.us" && !/^(0|(?!0|10)[0-9]{5,20})$/.test(match[1])) throw new InvalidWidError(text);
  const wid = new Wid(match[1], match[3], match[2] ? Number(match[2]) : undefined);
  widCache.set(wid._serialized, wid);
  return wid;
}
const userWid = (wid) => createWid(`${wid.user}@${wid.server}`);

class MsgKey {
  constructor(parts) {
    if (!parts) throw new Error("MsgKey error: obj is null/undefined");
    const { from, to, id, participant, selfDir } = parts;
    let { fromMe, remote } = parts;
    if (!prefs.mePn()) throw new Error("MsgKey: no me");
    if (remote === undefined) {
      if (!(from instanceof Wid) || !(to instanceof Wid)) throw new Error("MsgKey: from and to must be Wids");
      const out = selfDir ? selfDir === "out" : prefs.isMe(from);
      fromMe = out;
      remote = out ? to : from;
      if (prefs.isMe(from) && prefs.isMe(to)) this.self = selfDir || "out";
    }
    this.fromMe = !!fromMe;
    this.remote = remote;
    this.id = id;
    // A participant of null leaves an underscore too.
    if (participant !== undefined) this.participant = participant;
    const tail = (this.self ? "_" + this.self : "") + (participant === undefined ? "" : "_" + (participant ?? ""));
    const text = `${this.fromMe}_${remote}_${id}${tail}`;
    // Newer builds keep the text under a minified name.
    this[site.hiddenSerialized ? "$1" : "_serialized"] = text;
  }
  toString() { return this[site.hiddenSerialized ? "$1" : "_serialized"]; }
  clone() { return this; }
  equals(other) { return String(this) === String(other); }
  static fromString(text) {
    const [fromMe, remote, id, participant] = text.split("_");
    const author = participant && participant.includes("@") ? createWid(participant) : undefined;
    return new MsgKey({ fromMe: fromMe === "true", remote: createWid(remote), id, participant: author });
  }
  static async newId() { return "3EB0" + hex(randomBytes(9)); }
  static newId_DEPRECATED() { return "3EB0" + hex(randomBytes(8)); }
}
MsgKey.displayName = "MsgKey";

function randomBytes(n) { return crypto.getRandomValues(new Uint8Array(n)); }
function hex(bytes) { return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("").toUpperCase(); }
function b64(buffer) {
  const bytes = buffer instanceof Uint8Array ? buffer : new Uint8Array(buffer);
  return btoa(String.fromCharCode(...bytes));
}
function unb64(text) { return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer; }
