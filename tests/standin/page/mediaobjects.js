// What the page knows of a file: one object for each hash, shared by all messages with these bytes, for the life of the
// page. Its entries are the uploads of the file, each with a key of its own.
const OBJECT_TYPES = { image: "IMAGE", video: "VIDEO", ptv: "PTV", sticker: "STICKER", audio: "AUDIO", ptt: "AUDIO" };
// The fields of a message and what they are called in the object.
const CONTENT_OF_MSG = { width: "fullWidth", height: "fullHeight", body: "preview", duration: "duration", waveform: "waveform", pageCount: "pageCount", isAnimated: "isAnimated", isViewOnce: "isViewOnce" };
const CONTENT = [...Object.values(CONTENT_OF_MSG), "fullPreviewData", "fullPreviewSize", "aspectRatio", "documentPreview", "isPasswordProtected", "isVcardOverMmsDocument"];
const UPLOAD_STAGES = ["INIT", "PREPARING", "UPLOADING", "FINALIZING", "NEED_UPLOAD", "ERROR_FILE_NOT_READABLE", "ERROR_MISSING", "ERROR_TOO_LARGE", "ERROR_FORBIDDEN", "ERROR_THROTTLED", "UPLOADED"];
// The stage of a message whose file is being uploaded; the others have the same name.
const STAGE_OF_UPLOAD = { INIT: "PREPARING", ERROR_THROTTLED: "NEED_UPLOAD", UPLOADED: "SENDING" };
const MEDIA_STAGES = ["INIT", "EXISTS", "PREPARING", "UPLOADING", "FINALIZING", "SENDING", "REUPLOADING", "FETCHING", "DECRYPTING", "RESOLVED", "NEED_POKE", "NEED_UPLOAD", "ERROR_FILE_NOT_READABLE", "ERROR_MISSING", "ERROR_TOO_LARGE", "ERROR_UNSUPPORTED", "ERROR_FORBIDDEN", "PROGRESSIVE_READY", "REMOTE_UPLOADING", "REMOTE_NEED_UPLOAD"];
// For so many seconds a key is used again; the real page adds up to a day at random.
const KEY_LIFE = 2 * 86400;

class EncryptedMediaEntry {
  constructor(fields) { Object.assign(this, fields); }
  getMediaKey() { return this.mediaKey; }
  getMediaKeyTimestamp() { return this.mediaKeyTimestamp; }
  getEncfilehash() { return this.encFilehash; }
  canReuseMediaKey() { return this.directPath != null && this.mediaKeyTimestamp != null && now() - this.mediaKeyTimestamp < KEY_LIFE; }
}
class MediaEntryList {
  entries = [];
  getEntryByEncFilehash({ encFilehash }) { return this.entries.find((entry) => entry.encFilehash === encFilehash); }
  addEntry(fields) {
    const known = this.updateEntry(fields);
    if (known) return known;
    const entry = new EncryptedMediaEntry(fields);
    this.entries.push(entry);
    return entry;
  }
  updateEntry(fields) {
    const known = this.getEntryByEncFilehash(fields);
    return known && Object.assign(known, Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
  }
  getUploadEntry() { return this.entries.findLast((entry) => entry.mediaKey); }
  getDownloadEntry() { return this.entries.findLast((entry) => entry.directPath); }
}

class MediaObject {
  msgs = [];
  entries = new MediaEntryList();
  contentInfo = {};
  downloadStage = "INIT";
  uploadStage = "INIT";
  userUploadAttemptCount = 0;
  mediaBlob = null;
  #upload = null;
  // Keeps what it knows already: later values of the same bytes are ignored.
  consolidate(fields) {
    const before = JSON.stringify([this.uploadStage, this.downloadStage, this.loadedSize, this.size, this.filehash]);
    this.type ??= OBJECT_TYPES[fields.type];
    for (const name of ["uploadStage", "downloadStage", "loadedSize"]) if (fields[name] != null) this[name] = fields[name];
    const { mediaBlob } = fields;
    let changed = false;
    if (mediaBlob && !mediaBlob.isBlobEqual(this.mediaBlob)) {
      if (this.mediaBlob) this.clearBlob();
      mediaBlob.retain();
      this.mediaBlob = mediaBlob;
      this.size = mediaBlob.size();
      changed = true;
    }
    if (fields.size && (this.size == null || fields.size < this.size)) this.size = fields.size;
    this.filehash ??= fields.filehash || undefined;
    for (const name of CONTENT) {
      if (fields[name] == null || this.contentInfo[name] !== undefined) continue;
      this.contentInfo[name] = fields[name];
      changed = true;
    }
    if (!changed && before === JSON.stringify([this.uploadStage, this.downloadStage, this.loadedSize, this.size, this.filehash])) return false;
    setTimeout(() => this.notify());
    return true;
  }
  // Messages hear of it a moment later.
  notify() {
    for (const msg of this.msgs) if (msg.id.fromMe && !(msg.ack >= 1)) media.dataOf(msg).set({ mediaStage: STAGE_OF_UPLOAD[this.uploadStage] ?? this.uploadStage });
  }
  clearBlob({ reset } = {}) {
    const { mediaBlob } = this;
    this.mediaBlob = null;
    mediaBlob?.autorelease();
    if (reset) this.consolidate({ downloadStage: "INIT" });
  }
  addMsg(msg) {
    this.msgs.push(msg);
    const content = Object.fromEntries(Object.entries(CONTENT_OF_MSG).map(([of, name]) => [name, msg[of]]));
    this.consolidate({ ...content, type: msg.type, filehash: msg.filehash, size: msg.size });
    if (msg.encFilehash) this.entries.addEntry({ deprecatedMms3Url: msg.deprecatedMms3Url, directPath: msg.directPath, mediaKey: msg.mediaKey, mediaKeyTimestamp: msg.mediaKeyTimestamp, encFilehash: msg.encFilehash, sidecar: msg.streamingSidecar, type: mediaTypeOf(msg) });
  }
  // The running upload, and how to cancel it.
  getUploadPromise() { return this.#upload?.promise ?? null; }
  setUpload(upload) { this.#upload = upload; }
  cancelUpload() { this.#upload?.cancel(); }
  // The fields of a message that come from the file.
  msgProps(data) {
    const { fullWidth, fullHeight, preview, duration, waveform, pageCount } = this.contentInfo;
    const { filename, isGif, gifAttribution, isAnimated } = data;
    return { body: preview ?? undefined, size: this.size, filehash: this.filehash, mimetype: data.mimetype, type: data.type, width: fullWidth, height: fullHeight, duration, waveform, pageCount, filename, isGif, gifAttribution, isAnimated };
  }
}
const mediaObjects = new Map();
function getOrCreateMediaObject(filehash) {
  if (!mediaObjects.has(filehash)) mediaObjects.set(filehash, new MediaObject());
  return mediaObjects.get(filehash);
}

const blobCache = new BlobCache();

// A blob that lives as long as somebody retains it; a second after the last release its bytes are gone.
class OpaqueData {
  #count = 1;
  #blob;
  #type;
  #url;
  released = false;
  static async createFromData(data, type) {
    const opaque = new OpaqueData();
    opaque.#blob = data instanceof Blob && data.type === type ? data : new Blob([data], { type });
    opaque.#type = type;
    return opaque;
  }
  static createFromBase64Jpeg(text) { return OpaqueData.createFromData(new Blob([unb64(text)], { type: "image/jpeg" }), "image/jpeg"); }
  retain() {
    if (this.released) throw new Error("OpaqueData:retain called on released OpaqueData");
    this.#count += 1;
  }
  autorelease() {
    if (this.released || this.#count === 0) return;
    this.#count -= 1;
    if (this.#count === 0) setTimeout(() => this.#release(), 1000);
  }
  autoreleaseWhenPromiseCompletes(promise) { promise.then(() => this.autorelease(), () => this.autorelease()); }
  #release() {
    if (this.#count > 0 || this.released) return;
    this.released = true;
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#blob = undefined;
  }
  #live(name) { if (this.released) throw new Error(`OpaqueData:${name} called on released OpaqueData`); }
  url() { this.#live("url"); return (this.#url ??= URL.createObjectURL(this.#blob)); }
  size() { this.#live("size"); return this.#blob.size; }
  type() { this.#live("type"); return this.#type || "undefined"; }
  formData() { this.#live("formData"); return this.#blob; }
  forceToBlob() { this.#live("forceToBlob"); return this.#blob; }
  getBlob() { return this.#blob; }
  isBlobEqual(other) { return other ? other.getBlob() === this.#blob : !this.#blob; }
}

const MMS_TYPES = ["audio", "document", "gif", "image", "ptt", "ptv", "sticker", "video", "product", "sticker-pack", "thumbnail-document", "thumbnail-image", "thumbnail-video", "thumbnail-link"];
const MMS_MEDIA_TYPES = Object.fromEntries(MMS_TYPES.map((type) => [type.replaceAll("-", "_").toUpperCase(), type]));
function msgToMediaType({ type, isGif, isNewsletter }) {
  if (!(type in MEDIA_KEYS) || type === "gif" || type.startsWith("thumbnail")) throw new Error(`msg is not a media msg: ${type}, isGif=${isGif}`);
  const media_ = type === "video" && isGif === true ? "gif" : type;
  return isNewsletter && media_ !== "document" ? `newsletter-${media_}` : media_;
}
const mediaTypeOf = (msg) => msgToMediaType({ type: msg.type, isGif: msg.isGif });
// Takes the names of the objects' types, not those of messages.
function castToV4(type) {
  if (type == null) return "document";
  if (!(type in MMS_MEDIA_TYPES)) throw new Error(`castToV4: unexpected mmsv3 type ${type}`);
  return MMS_MEDIA_TYPES[type];
}
const SOUND = ["audio/ogg; codecs=opus", "audio/mp4", "audio/mpeg", "audio/aac", "audio/amr"], FILM = ["video/mp4", "video/3gpp"];
const VALID_MIME_TYPES = { image: ["image/jpeg", "image/png", "image/webp"], sticker: ["image/webp", "application/was"], video: FILM, ptv: FILM, audio: SOUND, ptt: SOUND };
// Pictures and stickers without a type get these.
const USUAL_MIME_TYPES = { image: "image/jpeg", sticker: "image/webp" };
const getValidMimeTypes = (type) => (VALID_MIME_TYPES[type] ? new Set(VALID_MIME_TYPES[type]) : null);

// How the sending of such a message fails: the name of the reason is lost.
class UnsendableError extends Error { }
// The page checks a message that it sends late, when the row is stored already. A path or a hash of the encrypted file
// that is missing is not noticed: such a message leaves, and nobody can open it.
class MediaMessageValidationError extends Error { constructor(what, type) { super(`${what} for ${type} message`); this.name = "MediaMessageValidationError"; } }
function validateMedia(msg) {
  const refuse = (what) => { throw new MediaMessageValidationError(what, msg.type); };
  const length = (text) => (text == null ? undefined : unb64(text).byteLength);
  if (msg.mediaKey == null) refuse("missing_media_key");
  if (length(msg.mediaKey) !== 32) refuse("invalid_media_key");
  if (msg.encFilehash != null && length(msg.encFilehash) !== 32) refuse("invalid_enc_sha256");
  if (length(msg.filehash) !== 32) refuse("invalid_sha256");
  if (msg.deprecatedMms3Url != null && !/^https:\/\/([^/]*\.)?whatsapp\.net(\/|$)/.test(msg.deprecatedMms3Url)) refuse("invalid_url");
  if (msg.mimetype == null || getValidMimeTypes(msg.type)?.has(msg.mimetype) === false) refuse("invalid_mime_type");
  const size = typeof msg.size === "number" ? msg.size : undefined;
  const wrong = { sticker: size < 0, document: size === undefined || size < 0 }[msg.type] ?? !(size > 0);
  if (wrong) refuse("invalid_file_length");
}

function mediaObjectModules() {
  provide("WAWebMediaOpaqueData", { default: OpaqueData }, ESM);
  provide("WAWebMediaStorage", { getOrCreateMediaObject });
  provide("WAWebMediaInMemoryBlobCache", { InMemoryMediaBlobCache: blobCache });
  provide("WAWebMmsMediaTypes", { MEDIA_TYPES: MMS_MEDIA_TYPES, MEDIA_TYPE_VALUES: MMS_TYPES, castToV4, msgToMediaType, getMsgMediaType: mediaTypeOf, getValidMimeTypes });
  provide("WAWebMediaTypes", { UploadStage: names(...UPLOAD_STAGES), MediaDataStage: names(...MEDIA_STAGES) });
  provide("WAWebMediaMessageGetValidatedProperties", { MediaMessageValidationError });
}
