// Received media: fetched from the media host by path, checked against its hashes, and decrypted. A test encrypts it,
// in place of the sender's phone.
const MEDIA_FIELDS = ["directPath", "deprecatedMms3Url", "mediaKey", "mediaKeyTimestamp", "filehash", "encFilehash", "width", "height", "duration", "isViewOnce", "isGif", "pageCount", "waveform", "isAnimated", "gifAttribution", "isCaptionByUser", "streamingSidecar", "firstFrameSidecar", "messageSecret"];
// The preferences that say what the page fetches by itself, with their defaults.
const AUTO_DOWNLOAD = { Photos: true, Audio: true, Videos: false, Documents: false };
const PREFERENCE_OF = { image: "Photos", gif: "Photos", audio: "Audio", ptt: "Audio", video: "Videos", ptv: "Videos", document: "Documents" };
const autoDownload = {
  get: (name) => prefs.read(`auto-download-${name}`) ?? AUTO_DOWNLOAD[name],
  set: (name, wanted) => prefs.write(`auto-download-${name}`, Boolean(wanted)),
  wants: (msg) => autoDownload.get(PREFERENCE_OF[msg.type === "video" && msg.isGif ? "gif" : msg.type]) === true,
};

class MediaError extends Error {
  constructor(message, status) { super(message); this.name = this.constructor.name; if (status !== undefined) this.status = status; }
}
class HttpStatusCodeError extends MediaError { constructor(status) { super(`status ${status}`, status); } }
class MediaNotFoundError extends HttpStatusCodeError { constructor() { super(404); } }
class MMSForbiddenError extends HttpStatusCodeError { constructor() { super(403); } }
class MMSThrottleError extends HttpStatusCodeError { constructor() { super(507); } }
class HttpNetworkError extends MediaError { }
class MmsDownloadFilehashMismatchError extends MediaError { }
class MediaDecryptionError extends MediaError { }
class MediaHashMismatch extends MediaError { }

// Blobs by the hash of their plain bytes, so that a file is not fetched again. The oldest go first.
class BlobCache {
  #limit = 25e7;
  #blobs = new Map();
  get(filehash) { return this.#blobs.get(filehash); }
  has(filehash) { return this.#blobs.has(filehash); }
  put(filehash, blob) {
    this.#blobs.delete(filehash);
    this.#blobs.set(filehash, blob);
    let size = [...this.#blobs.values()].reduce((sum, one) => sum + one.size, 0);
    for (const [oldest, { size: freed }] of this.#blobs) {
      if (size <= this.#limit || oldest === filehash) return;
      this.#blobs.delete(oldest);
      size -= freed;
    }
  }
  delete(filehash) { this.#blobs.delete(filehash); }
  clear() { this.#blobs.clear(); }
}

const media = {
  cache: new BlobCache(),
  data: new WeakMap(),
  objects: new WeakMap(),

  async download({ directPath, encFilehash, filehash, mediaKey, type, signal, downloadQpl }) {
    downloadQpl.addAnnotations({});
    downloadQpl.addPoint("start");
    const kept = filehash && this.cache.get(filehash);
    if (kept) return kept.arrayBuffer();
    if (!mediaKey || !encFilehash) throw new MediaDecryptionError("no key or no hash");
    const file = await this.get(directPath, { signal, type, encFilehash });
    if ((await sha256(file)) !== encFilehash) throw new MmsDownloadFilehashMismatchError("other bytes than were sent");
    const plain = await decrypt(file, mediaKey, type);
    if (filehash && (await sha256(plain)) !== filehash) throw new MediaHashMismatch("other plain bytes than were sent");
    if (filehash) this.cache.put(filehash, new Blob([plain]));
    return plain;
  },
  // Temporary failures of the host are retried after 1, 2 and 4 s.
  async get(directPath, { signal, type, encFilehash }) {
    // A path with a host in it is refused.
    if (!/^\/[^/]/.test(directPath)) throw new MediaError("malicious directPath");
    const address = `${directPath}${directPath.includes("?") ? "&" : "?"}${new URLSearchParams({ hash: urlSafe(encFilehash), mode: "manual", "mms-type": type, "__wa-mms": "" })}`;
    for (let wait = 1000; ; wait *= 2) {
      if (signal?.aborted) throw new AbortError();
      const failed = await fetch(`/mms${address}`, { signal }).then((answer) => (answer.ok ? answer.arrayBuffer() : answer.text().then((text) => ({ status: answer.status, text }))), (error) => ({ text: String(error) })).catch((error) => ({ text: String(error) }));
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
    if (!this.data.has(msg)) {
      const { type, mimetype, size, filehash, isGif, filename, duration, waveform, pageCount, isAnimated } = msg;
      const unsent = msg.id.fromMe && !(msg.ack >= 1), stage = msg.directPath ? "NEED_POKE" : "ERROR_MISSING";
      this.data.set(msg, makeMediaData({ type, mediaStage: unsent ? "PREPARING" : stage, mimetype, size, filehash, isGif, filename, duration, waveform, pageCount, isAnimated, isViewOnce: Boolean(msg.isViewOnce), fullWidth: msg.width, fullHeight: msg.height }));
    }
    return this.data.get(msg);
  },
  objectOf(msg) {
    if (!(msg.type in MEDIA_KEYS) || !msg.filehash) return undefined;
    if (!this.objects.has(msg)) {
      const object = getOrCreateMediaObject(msg.filehash);
      this.objects.set(msg, object);
      object.addMsg(msg);
    }
    return this.objects.get(msg);
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
      this.objectOf(retry.msg)?.entries.updateEntry({ encFilehash: retry.msg.encFilehash, directPath });
      data.set({ directPath, mediaStage: "NEED_POKE" });
      await this.resolve(retry.msg, { isUserInitiated: true });
    } else data.set({ mediaStage: "ERROR_MISSING" });
    retry.resolve();
  },
};

function mediaModules() {
  Msgs.on("add", (msg) => { if (msg.isNewMsg && !msg.id.fromMe && msg.directPath && autoDownload.wants(msg)) media.resolve(msg, { auto: true }); });
  provide("WAWebDownloadManager", { downloadManager: { downloadAndMaybeDecrypt: (asked) => media.download(asked) } });
  for (const name of Object.keys(AUTO_DOWNLOAD)) provide("WAWebUserPrefsGeneral", { [`getAutoDownload${name}`]: () => autoDownload.get(name), [`setAutoDownload${name}`]: (wanted) => autoDownload.set(name, wanted) });
  uploadModules();
  mediaObjectModules();
  prepModules();
  provide("WAWebHttpErrors", { HttpStatusCodeError, HttpNetworkError, HttpInvalidResponseError, MmsDownloadFilehashMismatchError });
}
