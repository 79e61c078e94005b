// Uploads to the media host: encrypted, asked for before they are repeated, retried after 1, 2 and 4 s. Files are found
// again by the hash of their encrypted bytes.
class MMSUnauthorizedError extends HttpStatusCodeError { constructor() { super(401); } }
class MediaTooLargeError extends HttpStatusCodeError { constructor() { super(413); } }
class MediaInvalidError extends HttpStatusCodeError { constructor() { super(415); } }
class HttpInvalidResponseError extends MediaError { }
class FileNotReadableError extends MediaError { }
class AbortError extends Error { constructor() { super("aborted"); this.name = "AbortError"; } }

const CHUNK = 52428800;
const RETRIES = 3;

// The real page connects to a host of its own for media; here it is this page's host.
const mediaHosts = {
  known: null,
  async getHostsInfo({ forceRefresh = false } = {}) {
    if (!this.known || forceRefresh) this.known = await comms.query({ type: "media-conn" });
    return { auth: this.known.auth, selectedHost: { hostname: location.host, type: "primary", class: "mmg" }, fallbackHost: undefined };
  },
  async forceRefresh() { await this.getHostsInfo({ forceRefresh: true }); },
};

function pause(millis, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, millis);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(new AbortError()); }, { once: true });
  });
}
function retryable(error) {
  if (error instanceof MMSThrottleError) return false;
  return error instanceof HttpNetworkError || error instanceof MMSUnauthorizedError || (error instanceof HttpStatusCodeError && error.status >= 500);
}
async function withRetries(signal, attempt) {
  for (let n = 0; ; n++) {
    if (signal?.aborted) throw new AbortError();
    try {
      return await attempt(n);
    } catch (error) {
      if (!retryable(error) || n === RETRIES) throw error;
    }
    await pause(1000 * 2 ** n * site.clock, signal);
  }
}
// While the browser is offline, uploads wait without a limit.
async function whenBrowserIsOnline() { if (!navigator.onLine) await new Promise((resolve) => { window.addEventListener("online", resolve, { once: true }); }); }

const uploads = {
  async encryptAndUpload({ blob, type, signal, mediaKey, mediaKeyTimestamp, onProgress, onFinalize, forwardedFromWeb, uploadQpl }) {
    try {
      // A key without its time is not used.
      const key = mediaKey != null && mediaKeyTimestamp != null ? { mediaKey, mediaKeyTimestamp } : { mediaKey: b64(randomBytes(32)), mediaKeyTimestamp: now() };
      const plain = blob instanceof Blob ? await bytesOf(blob) : blob;
      const { file, encFilehash, sidecar } = await seal(plain, key.mediaKey, type);
      const asked = { file, hash: encFilehash, type, signal, onProgress, onFinalize, mediaId: String(Math.floor(Math.random() * 1e15)) };
      // Only with a given key can the file be there already.
      const { directPath, url, handle } = await (mediaKey ? this.findOrUpload(asked) : this.upload(asked));
      uploadQpl.endSuccess();
      return { directPath: forwardedFromWeb ? `${directPath}&_nc_hot=${now()}` : directPath, encFilehash, ...key, sidecar, firstFrameSidecar: undefined, url, handle };
    } catch (error) {
      const aborted = error.name === "AbortError";
      uploadQpl.endFailWithError(aborted ? "upload_canceled" : "upload_failed", aborted ? "aborted" : error.message);
      throw error;
    }
  },
  // The same file at the same time is one upload.
  running: new Map(),
  once(what, hash, work) {
    const key = `${what} ${hash}`;
    if (!this.running.has(key)) this.running.set(key, work().finally(() => this.running.delete(key)));
    return this.running.get(key);
  },
  findOrUpload(asked) {
    return this.once("find", asked.hash, async () => {
      const found = await this.find(asked);
      return found?.resume === "complete" ? { directPath: found.direct_path, url: found.url, handle: found.handle } : this.upload({ ...asked, from: found ? parseInt(found.resume, 10) : 0 });
    });
  },
  // What the host has of a file; null when it has nothing.
  async find({ hash, type, signal, mediaId }) {
    const found = await withRetries(signal, async (attempt) => {
      const answer = await this.post({ hash, type, signal, mediaId, attempt, query: { resume: "1" } });
      if (answer.status === 401) throw new MMSUnauthorizedError();
      if (answer.status === 404) return null;
      if (answer.status !== 200) throw new HttpStatusCodeError(answer.status);
      return answer.json();
    });
    if (!found) return null;
    if (!found.resume) throw new HttpInvalidResponseError("missing resume");
    if (found.resume === "complete" && !(found.direct_path && found.url)) throw new HttpInvalidResponseError("missing directPath or url");
    return found.resume === "0" ? null : found;
  },
  upload(asked) {
    return this.once("upload", asked.hash, async () => {
      const { file, type, from = 0, signal, onFinalize } = asked;
      const whole = type !== "document" || file.length <= CHUNK;
      if (whole) {
        const range = from > 0 ? { bytestart: String(from), byteend: String(file.length) } : {};
        return uploaded(await withRetries(signal, (attempt) => this.send({ ...asked, attempt, query: range, body: file.subarray(from), offset: from })));
      }
      for (let at = from; at < file.length; at += CHUNK) {
        const body = file.subarray(at, at + CHUNK);
        const range = { stream: "1", bytestart: String(at), byteend: String(at + body.length) };
        await withRetries(signal, (attempt) => this.send({ ...asked, attempt, query: range, body, offset: at }));
      }
      // Only here, not after a file in one piece.
      onFinalize?.();
      return uploaded(await withRetries(signal, (attempt) => this.send({ ...asked, attempt, query: { stream: "1", final_hash: urlSafe(asked.hash) } })));
    });
  },
  async send(asked) {
    const answer = await this.post(asked);
    switch (answer.status) {
      case 200: return answer.json();
      case 401: throw new MMSUnauthorizedError();
      case 413: throw new MediaTooLargeError();
      case 415: throw new MediaInvalidError();
      case 507: throw new MMSThrottleError();
      default: throw new HttpStatusCodeError(answer.status);
    }
  },
  async post({ hash, type, query, mediaId, attempt = 0, body, offset = 0, signal, onProgress }) {
    await whenBrowserIsOnline();
    const { auth } = await mediaHosts.getHostsInfo({ forceRefresh: attempt > 0 });
    const fields = new URLSearchParams({ auth, token: urlSafe(hash), ...query, media_id: mediaId });
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return void reject(new AbortError());
      const request = new XMLHttpRequest();
      request.open("POST", `/mms/${type}/${urlSafe(hash)}?${fields}`);
      request.onload = () => resolve({ status: request.status, json: () => { try { return JSON.parse(request.responseText); } catch { throw new HttpInvalidResponseError("not JSON"); } } });
      request.onerror = () => reject(new HttpNetworkError(""));
      request.onabort = () => reject(new AbortError());
      if (body) request.upload.onprogress = (event) => onProgress?.(event, offset);
      signal?.addEventListener("abort", () => request.abort(), { once: true });
      request.send(body ?? null);
    });
  },
};
function uploaded(answer) {
  if (!answer.direct_path) throw new HttpInvalidResponseError("missing direct_path");
  if (!answer.url) throw new HttpInvalidResponseError("missing url");
  return { directPath: answer.direct_path, url: answer.url, handle: answer.handle };
}
function urlSafe(text) { return text.replaceAll("+", "-").replaceAll("/", "_"); }
async function bytesOf(blob) {
  try {
    return await blob.arrayBuffer();
  } catch (error) {
    throw new FileNotReadableError(String(error));
  }
}

// What WhatsApp measures of an upload; nobody reads it here. An upload without it fails at its end.
function uploadMeter() { return { endSuccess() {}, endFailWithError() {}, endCancel() {}, addPoint() {}, addAnnotations() {} }; }

function uploadModules() {
  provide("WAWebUploadManager", { default: { encryptAndUpload: (asked) => uploads.encryptAndUpload(asked) } }, ESM);
  provide("WAWebStartMediaUploadQpl", { startMediaUploadQpl: () => uploadMeter() });
  provide("WAWebMediaHosts", { mediaHosts });
  provide("WAWebMmsOperationsConst", { default: { UPLOAD: "UPLOAD", DOWNLOAD: "DOWNLOAD" } }, ESM);
  provide("WAWebMmsClientErrors", { MediaNotFoundError, MediaTooLargeError, MediaInvalidError, MMSUnauthorizedError, MMSForbiddenError, MMSThrottleError });
}
