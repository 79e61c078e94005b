// Received media: fetched from the media host by path, checked against its hashes, and decrypted. A test encrypts it,
// in place of the sender's phone.
const MEDIA_FIELDS = ["directPath", "deprecatedMms3Url", "mediaKey", "mediaKeyTimestamp", "filehash", "encFilehash", "width", "height", "duration", "isViewOnce", "isGif", "pageCount"];
const MEDIA_KEYS = { image: "Image", sticker: "Image", video: "Video", gif: "Video", ptv: "Video", audio: "Audio", ptt: "Audio", document: "Document" };
// The types that the page fetches by itself.
const FETCHED = ["image", "gif", "audio", "ptt"];
const MAC = 10;

class MediaError extends Error {
  constructor(message, status) { super(message); this.name = this.constructor.name; if (status !== undefined) this.status = status; }
}
class MediaNotFoundError extends MediaError { constructor() { super("media not found", 404); } }
class MMSForbiddenError extends MediaError { constructor() { super("forbidden", 403); } }
class MMSThrottleError extends MediaError { constructor() { super("throttled", 507); } }
class HttpStatusCodeError extends MediaError { constructor(status) { super(`status ${status}`, status); } }
class HttpNetworkError extends MediaError { }
class MmsDownloadFilehashMismatchError extends MediaError { }
class MediaDecryptionError extends MediaError { }
class MediaHashMismatch extends MediaError { }

const media = {
  cache: new Map(),
  data: new WeakMap(),

  async download({ directPath, encFilehash, filehash, mediaKey, type, downloadQpl }) {
    downloadQpl.addAnnotations({});
    downloadQpl.addPoint("start");
    if (this.cache.has(filehash)) return this.cache.get(filehash);
    if (!mediaKey || !encFilehash) throw new MediaDecryptionError("no key or no hash");
    const file = await this.get(directPath);
    if (b64(await crypto.subtle.digest("SHA-256", file)) !== encFilehash) throw new MmsDownloadFilehashMismatchError("other bytes than were sent");
    const plain = await decrypt(file, mediaKey, type);
    if (filehash && b64(await crypto.subtle.digest("SHA-256", plain)) !== filehash) throw new MediaHashMismatch("other plain bytes than were sent");
    this.cache.set(filehash, plain);
    return plain;
  },
  // Temporary failures of the host are retried after 1, 2 and 4 s.
  async get(directPath) {
    for (let wait = 1000; ; wait *= 2) {
      const failed = await fetch(`/mms${directPath}`).then((answer) => (answer.ok ? answer.arrayBuffer() : answer.text().then((text) => ({ status: answer.status, text }))), (error) => ({ text: String(error) }));
      if (failed instanceof ArrayBuffer) return failed;
      const { status, text } = failed;
      if (status === 404 || status === 410 || (status === 403 && text.includes("URL signature expired"))) throw new MediaNotFoundError();
      if (status === 403) throw new MMSForbiddenError();
      if (status === 507) throw new MMSThrottleError();
      if (wait > 4000) throw status ? new HttpStatusCodeError(status) : new HttpNetworkError(text);
      await new Promise((resolve) => setTimeout(resolve, wait * site.clock));
    }
  },

  dataOf(msg) {
    if (!(msg.type in MEDIA_KEYS)) return undefined;
    if (!this.data.has(msg)) this.data.set(msg, new Model({ type: msg.type, mediaStage: msg.directPath ? "NEED_POKE" : "ERROR_MISSING", mimetype: msg.mimetype, size: msg.size, filehash: msg.filehash, isGif: msg.isGif }));
    return this.data.get(msg);
  },
  objectOf(msg) {
    const data = this.dataOf(msg);
    const newest = () => ({ directPath: data.directPath || msg.directPath, mediaKey: msg.mediaKey, encFilehash: msg.encFilehash });
    return data && { filehash: msg.filehash, type: msg.type, size: msg.size, entries: { getDownloadEntry: newest } };
  },
  // Resolves to undefined in any case; the stage shows the result. A file that the host no longer has is requested from
  // the phone, without a time limit.
  async resolve(msg, { isUserInitiated, rmrReason, ...rest }) {
    const data = this.dataOf(msg);
    if (!data || data.mediaStage === "RESOLVED" || rest.downloadEvenIfExpensive === false) return;
    const known = Chats.get(msg.id.remote)?.msgs.getModelsArray().some((other) => other.id.fromMe);
    if (!isUserInitiated && !known && !rest.auto) return;
    const quiet = { addAnnotations() {}, addPoint() {} };
    data.set({ mediaStage: "FETCHING" });
    try {
      await this.download({ ...msg.attributes, directPath: data.directPath || msg.directPath, downloadQpl: quiet });
      data.set({ mediaStage: "RESOLVED" });
    } catch (error) {
      if (error.status !== 404 || rmrReason === undefined) return void data.set({ mediaStage: error.status === 404 ? "NEED_POKE" : "ERROR_NETWORK" });
      data.set({ mediaStage: "REUPLOADING" });
      await new Promise((resolve) => { this.retries.set(msg.id.id, { msg, resolve }); });
    }
  },
  retries: new Map(),
  // The phone's answer: a new path, or none when it has no such file. The message keeps its old path.
  async retried({ id, directPath }) {
    const retry = this.retries.get(id);
    if (!retry) return;
    this.retries.delete(id);
    const data = this.dataOf(retry.msg);
    if (directPath) {
      data.set({ directPath, mediaStage: "NEED_POKE" });
      await this.resolve(retry.msg, { isUserInitiated: true });
    } else data.set({ mediaStage: "ERROR_MISSING" });
    retry.resolve();
  },
};

async function decrypt(file, mediaKey, type) {
  const info = new TextEncoder().encode(`WhatsApp ${MEDIA_KEYS[type]} Keys`);
  const secret = await crypto.subtle.importKey("raw", unb64(mediaKey), "HKDF", false, ["deriveBits"]);
  const keys = await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info }, secret, 112 * 8);
  const iv = keys.slice(0, 16), body = file.slice(0, -MAC);
  const macKey = await crypto.subtle.importKey("raw", keys.slice(48, 80), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", macKey, new Uint8Array([...new Uint8Array(iv), ...new Uint8Array(body)]));
  if (b64(mac.slice(0, MAC)) !== b64(file.slice(-MAC))) throw new MediaDecryptionError("the key does not fit");
  const key = await crypto.subtle.importKey("raw", keys.slice(16, 48), "AES-CBC", false, ["decrypt"]);
  return crypto.subtle.decrypt({ name: "AES-CBC", iv }, key, body).catch(() => { throw new MediaDecryptionError("the key does not fit"); });
}

function mediaModules() {
  Msgs.on("add", (msg) => { if (msg.isNewMsg && !msg.id.fromMe && FETCHED.includes(msg.type) && msg.directPath) media.resolve(msg, { auto: true }); });
  provide("WAWebDownloadManager", { downloadManager: { downloadAndMaybeDecrypt: (asked) => media.download(asked) } });
  provide("WAWebMmsClientErrors", { MediaNotFoundError, MMSForbiddenError, MMSThrottleError });
  provide("WAWebHttpErrors", { HttpStatusCodeError, HttpNetworkError, MmsDownloadFilehashMismatchError });
}
