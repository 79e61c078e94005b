// Preparing files for sending, and the page's own way to send them: the message is stored first, then its file is
// uploaded, and meanwhile later messages of the chat wait.
class MediaFileTooLarge extends MediaError {
  constructor(mediaType, uploadLimit, actualSize) {
    super(`File (${mediaType}) size = ${actualSize} exceeds limit of ${uploadLimit}`);
    Object.assign(this, { mediaType, uploadLimit, actualSize });
  }
}
class MediaFileEmpty extends MediaError { }
class InvalidImageFileType extends MediaError { }
class InvalidMediaCheckRepairFailedType extends MediaError { }
class UnableToPlayVideoError extends MediaError { }

const MIB = 1024 * 1024;
const UPLOAD_LIMITS = { image: 16 * MIB, sticker: 16 * MIB, video: 16 * MIB, audio: 16 * MIB, document: 2097152000, "sticker-pack": 2097152000 };
const VCARD_LIMIT = 5000 * 1024;
function getUploadLimit(kind, _origin, isVcard) {
  if (!(kind in UPLOAD_LIMITS)) throw new Error(`Match: No case succesfully matched. Argument: ${kind}`);
  return kind === "document" && isVcard === true ? VCARD_LIMIT : UPLOAD_LIMITS[kind];
}
const IMAGE_EDGE = 1600, THUMB_EDGE = 100, JPEG_QUALITY = 0.92, STICKER_EDGE = 512;

const MEDIA_DATA = [
  "type", "directPath", "mediaKey", "mediaKeyTimestamp", "encFilehash", "mediaStage", "size", "loadedSize", "filehash", "mimetype", "mediaBlob", "renderableUrl", "fullHeight", "fullWidth",
  "aspectRatio", "isAnimated", "isViewOnce", "preview", "sidecar", "duration", "isGif", "gifAttribution", "filename", "pageCount", "documentPreview", "isPasswordProtected", "isVcardOverMmsDocument",
  "fullPreviewSize", "fullPreviewData", "waveform", "firstFrameSidecar", "accessibilityLabel",
];
// Those that are no fields of messages.
const ONLY_MEDIA_DATA = new Set(["mediaStage", "loadedSize", "mediaBlob", "renderableUrl", "fullHeight", "fullWidth", "aspectRatio", "preview", "sidecar", "documentPreview", "isPasswordProtected", "fullPreviewSize", "fullPreviewData"]);
function makeMediaData(values) {
  return new Model({ ...Object.fromEntries(MEDIA_DATA.map((name) => [name, undefined])), type: "unknown", isViewOnce: false, ...values });
}

const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });
function fitted({ width, height }, edge) {
  const scale = Math.min(1, edge / Math.max(width, height));
  return { width: Math.max(1, Math.floor(width * scale)), height: Math.max(1, Math.floor(height * scale)) };
}
function drawn(source, size, { grey = true } = {}) {
  const canvas = canvasOf(size.width, size.height), context = canvas.getContext("2d");
  if (grey) {
    context.fillStyle = "#e0e0e0";
    context.fillRect(0, 0, size.width, size.height);
  }
  context.drawImage(source, 0, 0, size.width, size.height);
  return canvas;
}
const thumbnailOf = (source, size) => drawn(source, fitted(size, THUMB_EDGE)).toDataURL("image/jpeg").split(",")[1];
const blobOf = (canvas, type, quality) => new Promise((resolve) => canvas.toBlob(resolve, type, quality));

const prepare = {
  async image(opaque, { maxDimension = IMAGE_EDGE }) {
    const bitmap = await createImageBitmap(opaque.forceToBlob()).catch(() => { throw new InvalidImageFileType(""); });
    const size = fitted(bitmap, maxDimension), canvas = drawn(bitmap, size);
    const blob = await blobOf(canvas, "image/jpeg", JPEG_QUALITY);
    return { type: "image", mediaBlob: blob, mimetype: blob.type, fullWidth: size.width, fullHeight: size.height, preview: thumbnailOf(canvas, size), fullPreviewData: null, fullPreviewSize: null };
  },
  // An animation is lost.
  async sticker(opaque) {
    const bitmap = await createImageBitmap(opaque.forceToBlob()).catch(() => { throw new InvalidImageFileType(""); });
    const canvas = canvasOf(STICKER_EDGE, STICKER_EDGE), size = fitted(bitmap, STICKER_EDGE);
    canvas.getContext("2d").drawImage(bitmap, (STICKER_EDGE - size.width) / 2, (STICKER_EDGE - size.height) / 2, size.width, size.height);
    const blob = await blobOf(canvas, "image/webp");
    return { type: "sticker", mediaBlob: await OpaqueData.createFromData(blob, blob.type), mimetype: blob.type, fullWidth: size.width, fullHeight: size.height };
  },
  async video(opaque, { asGif, gifAttribution, precomputedFields: known, accessibilityLabel }) {
    const file = opaque.forceToBlob();
    const base = { type: "video", mediaBlob: file, mimetype: await containerOf(file, ["video/mp4", "video/3gpp"]), isGif: asGif === true, gifAttribution: asGif === true ? gifAttribution || 0 : undefined, accessibilityLabel, size: file.size };
    if (known?.duration != null && known.fullHeight && known.fullWidth && known.preview) return { ...base, fullWidth: known.fullWidth, fullHeight: known.fullHeight, preview: known.preview, duration: String(known.duration) };
    const video = await played("video", file);
    await new Promise((resolve) => {
      if (video.readyState >= 2) return void resolve();
      video.addEventListener("loadeddata", resolve, { once: true });
    });
    const size = { width: video.videoWidth, height: video.videoHeight };
    return { ...base, fullWidth: size.width, fullHeight: size.height, preview: thumbnailOf(video, size), duration: String(video.duration) };
  },
  async audio(opaque, { isPtt, precomputedFields: known }) {
    const file = opaque.forceToBlob(), mimetype = await containerOf(file, ["audio/ogg; codecs=opus", "audio/mpeg", "video/mp4", "audio/amr"]);
    const duration = known?.duration ?? Math.floor((await played("audio", file)).duration);
    return { type: isPtt ? "ptt" : "audio", mediaBlob: file, mimetype: mimetype.replace("video/mp4", "audio/mp4"), duration: String(duration), waveform: known?.waveform ?? null };
  },
  // A file's own name beats the given one.
  async document(opaque, { filename, documentPageCount, isVcardOverMmsDocument = false }) {
    const file = opaque.forceToBlob(), name = file.name || filename || "";
    const mimetype = file.type || (EXTENSIONS[name.split(".").pop().toLowerCase()] ?? "application/octet-stream");
    return { type: "document", mediaBlob: await OpaqueData.createFromData(file, mimetype), mimetype, filename: name || undefined, preview: null, pageCount: documentPageCount, isVcardOverMmsDocument };
  },
};
const EXTENSIONS = { pdf: "application/pdf", txt: "text/plain", csv: "text/csv", zip: "application/zip", json: "application/json", doc: "application/msword", docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document" };
// The real page looks into a container with a worker of its own, and repairs it; here only its first bytes are read.
async function containerOf(file, accepted) {
  const head = new Uint8Array(await bytesOf(file.slice(0, 64))), text = String.fromCharCode(...head);
  const found = [
    [text.startsWith("OggS") && text.includes("OpusHead"), "audio/ogg; codecs=opus"],
    [text.startsWith("ID3") || (head[0] === 0xff && (head[1] & 0xe6) === 0xe2), "audio/mpeg"],
    [text.startsWith("ftyp3g", 4), "video/3gpp"],
    [text.startsWith("ftyp", 4), "video/mp4"],
    [text.startsWith("#!AMR"), "audio/amr"],
  ].find(([is, type]) => is && accepted.includes(type));
  if (!found) throw new InvalidMediaCheckRepairFailedType("");
  return found[1];
}
function played(kind, file) {
  const element = document.createElement(kind);
  return new Promise((resolve, reject) => {
    element.addEventListener("loadedmetadata", () => resolve(element), { once: true });
    element.addEventListener("error", () => reject(new UnableToPlayVideoError("")), { once: true });
    Object.assign(element, { preload: "auto", muted: true, src: URL.createObjectURL(file) });
  });
}

async function processRawMedia(opaque, options) {
  opaque.retain();
  try {
    const kind = (options.asDocument && "document") || (options.asSticker && "sticker") || (["image", "video", "audio"].find((one) => opaque.type().startsWith(`${one}/`)) ?? "document");
    const limit = getUploadLimit(kind, options.fileOrigin, options.isVcardOverMmsDocument);
    if (opaque.size() > limit) throw new MediaFileTooLarge(kind, limit, opaque.size());
    if (opaque.size() <= 0) throw new MediaFileEmpty("");
    return await prepare[kind](opaque, options);
  } finally {
    opaque.autorelease();
  }
}
function prepRawMedia(opaque, options) {
  const type = (options.isPtt && "ptt") || (options.asDocument && "document") || (options.asGif && "video") || (options.isAudio && "audio") || (options.asSticker && "sticker") || "unknown";
  const prepared = processRawMedia(opaque, options);
  opaque.autoreleaseWhenPromiseCompletes(prepared);
  return new MediaPrep(type, prepared);
}

class MediaPrep {
  #done;
  constructor(type, prepared) {
    this.baseType = type;
    this.mediaData = makeMediaData({ mediaStage: "PREPARING" });
    this.#done = this.#take(prepared);
    this.#done.catch(() => {});
  }
  async #take(prepared) {
    let found;
    try {
      found = await prepared;
    } catch (error) {
      this.mediaData.mediaStage = "ERROR_UNSUPPORTED";
      throw error;
    }
    this.mediaData.set(found);
    const { filehash, mediaBlob } = found;
    if (!filehash) this.mediaData.filehash = await sha256(await bytesOf(mediaBlob instanceof OpaqueData ? mediaBlob.forceToBlob() : mediaBlob));
  }
  async waitForPrep() {
    await this.#done;
    return this.mediaData;
  }
  sendToChat({ chat, options = {}, earlyUpload }) { return sendMediaMsgToChat({ chat, options, earlyUpload, prep: this }); }
}

// The fields that a prepared file gives its message.
async function getMediaPropsNew(prep, options) {
  const data = await prep.waitForPrep();
  if (data.mediaBlob && !(data.mediaBlob instanceof OpaqueData)) data.mediaBlob = await OpaqueData.createFromData(data.mediaBlob, data.mediaBlob.type);
  const object = getOrCreateMediaObject(data.filehash);
  if (object.mediaBlob) {
    object.mediaBlob.retain();
    data.mediaBlob?.autorelease();
    data.mediaBlob = object.mediaBlob;
  }
  if (data.mediaBlob) data.renderableUrl = data.mediaBlob.url();
  object.consolidate(data.toJSON());
  data.mediaBlob?.autorelease();
  if (data.mediaBlob) object.consolidate({ downloadStage: "RESOLVED" });
  if (data.mediaBlob && shouldUseMediaCache(castToV4(object.type))) blobCache.put(data.filehash, data.mediaBlob.formData());
  return { ...object.msgProps(data), caption: options.caption, isViewOnce: options.isViewOnce === true || Boolean(data.isViewOnce) };
}
const shouldUseMediaCache = (type) => ["sticker", "image", "product", "ptt", "audio", "document"].includes(type);

async function sendMediaMsgToChat({ chat, options, prep }) {
  const type = options.type ?? prep.baseType, quote = options.quotedMsg ? options.quotedMsg.msgContextInfo(chat.id) : {};
  const taken = ["mentionedJidList", "groupMentions", "isForwarded", "forwardingScore", "forwardedFromWeb", "viewMode", "parentMsgKey", "associationType", "footer"];
  const base = {
    ...(await outgoingBase(chat, type)), caption: options.caption, ...quote, ...Object.fromEntries(taken.filter((name) => options[name] !== undefined).map((name) => [name, options[name]])),
    ...options.productMsgOptions,
  };
  if (options.type === "document" && options.caption) base.isCaptionByUser = true;
  const data = getMediaPropsNew(prep, options).then((props) => ({ ...base, ...props, type: options.useBasePropsType === true ? base.type : props.type }));
  let msg, kind;
  const upload = async (stored) => {
    msg = stored;
    const found = await uploadMediaWithPrep(msg, options);
    ({ kind } = found);
    if (!found.mediaEntry) throw new Error("upload failed: media entry was not created");
    const { deprecatedMms3Url, directPath, mediaKey, mediaKeyTimestamp, encFilehash, sidecar, firstFrameSidecar } = found.mediaEntry;
    const { filehash, size } = msg.mediaObject;
    await updateMsg(msg, { deprecatedMms3Url, directPath, mediaKey, mediaKeyTimestamp, filehash, encFilehash, size, streamingSidecar: sidecar, firstFrameSidecar });
    return msg;
  };
  const result = await outbox.send(chat, data, upload)[1].catch(() => null);
  if (result?.messageSendResult === "OK") return { messageSendResult: "OK" };
  if (msg) msg.ack = -1;
  if (kind === "cancellation") return { messageSendResult: "ERROR_CANCELLED" };
  const stage = msg?.mediaObject?.uploadStage;
  if (["NEED_UPLOAD", "ERROR_TOO_LARGE", "ERROR_FORBIDDEN", "ERROR_THROTTLED"].includes(stage) || kind === "error") return { messageSendResult: "ERROR_UPLOAD" };
  if (stage === "ERROR_MISSING") return { messageSendResult: "ERROR_EXPIRED" };
  return result ?? { messageSendResult: "ERROR_UNKNOWN" };
}
async function uploadMediaWithPrep(msg, { canEnableFastForward = true } = {}) {
  const object = msg.mediaObject, mediaType = mediaTypeOf(msg);
  const known = canEnableFastForward ? object.entries.getUploadEntry() : undefined;
  const mediaKeyInfo = known ? { key: known.mediaKey, timestamp: known.mediaKeyTimestamp } : { key: b64(randomBytes(32)), timestamp: now() };
  const found = await uploadMedia({ mimetype: msg.mimetype, mediaObject: object, mediaType, mediaKeyInfo, canEnableFastForward, isViewOnce: Boolean(msg.isViewOnce) });
  // Only documents let go of their bytes.
  if (mediaType === "document") object.clearBlob({ reset: true });
  return found;
}
// The row is changed before the model.
async function updateMsg(msg, changes) {
  await db.put("model-storage", "message", { ...row(msg), ...rowFields(changes) });
  msg.set(changes);
}

const STAGE_OF_ERROR = [[FileNotReadableError, "ERROR_FILE_NOT_READABLE"], [MediaTooLargeError, "ERROR_TOO_LARGE"], [MMSForbiddenError, "ERROR_FORBIDDEN"], [MMSThrottleError, "ERROR_THROTTLED"]];
// Uploads the file of an object. It never rejects: the object's stage and the kind of the result say what happened.
function uploadMedia({ mediaObject: object, mediaType, mediaKeyInfo, canEnableFastForward = true }) {
  const running = object.getUploadPromise();
  if (running) return running;
  const aborter = new AbortController(), { signal } = aborter;
  const work = async () => {
    object.consolidate({ uploadStage: "UPLOADING" });
    const blob = await blobToUpload(object, mediaType, signal);
    const known = canEnableFastForward ? object.entries.getUploadEntry() : undefined;
    if (known?.canReuseMediaKey()) return known;
    const key = mediaKeyInfo ?? (known && { key: known.mediaKey, timestamp: known.mediaKeyTimestamp });
    const found = await uploads.encryptAndUpload({
      blob, type: mediaType, signal, mediaKey: key?.key, mediaKeyTimestamp: key?.timestamp, uploadQpl: uploadMeter(),
      onProgress: (event, offset) => object.consolidate({ loadedSize: event.loaded + offset }), onFinalize: () => object.consolidate({ uploadStage: "FINALIZING" }),
    });
    return object.entries.addEntry({ deprecatedMms3Url: found.url, mediaKey: found.mediaKey, mediaKeyTimestamp: found.mediaKeyTimestamp, encFilehash: found.encFilehash, type: mediaType, sidecar: found.sidecar, directPath: found.directPath, firstFrameSidecar: found.firstFrameSidecar });
  };
  const promise = Promise.resolve().then(work).then((mediaEntry) => {
    if (signal.aborted) throw new AbortError();
    object.consolidate({ uploadStage: "UPLOADED" });
    return { kind: "success", mediaEntry };
  }).catch((error) => {
    const [, stage] = STAGE_OF_ERROR.find(([one]) => error instanceof one) ?? [undefined, "NEED_UPLOAD"];
    object.consolidate({ uploadStage: stage });
    return { kind: error.name === "AbortError" ? "cancellation" : "error" };
  }).finally(() => object.setUpload(null));
  object.setUpload({ promise, cancel: () => aborter.abort() });
  return promise;
}
// The bytes of a file: those at hand, those on the media host, or those that the phone has. The phone is asked without a
// time limit, and it never answers for a file that was not uploaded.
async function blobToUpload(object, mediaType, signal) {
  const here = object.mediaBlob?.formData() ?? blobCache.get(object.filehash);
  if (here) return here;
  const entry = object.entries.getDownloadEntry();
  if (entry) {
    const plain = await media.download({ ...entry, filehash: object.filehash, type: mediaType, downloadQpl: uploadMeter() });
    return new Blob([plain]);
  }
  return new Promise((_, reject) => { signal.addEventListener("abort", () => reject(new AbortError()), { once: true }); });
}
// Uploads what an unsent message lacks, and sends it then. Meanwhile its chat waits.
function resumeUploadMsg(msg) {
  const object = msg.mediaObject;
  if (!object) return Promise.resolve();
  object.userUploadAttemptCount += 1;
  msg.ack = 0;
  const known = object.entries.getUploadEntry();
  const ready = uploadMedia({ mimetype: msg.mimetype, mediaObject: object, mediaKeyInfo: known && { key: known.mediaKey, timestamp: known.mediaKeyTimestamp }, mediaType: mediaTypeOf(msg) }).then(async ({ mediaEntry }) => {
    if (!mediaEntry) throw new Error("upload failed: media entry was not created");
    const { deprecatedMms3Url, directPath, mediaKey, mediaKeyTimestamp, encFilehash, sidecar, firstFrameSidecar } = mediaEntry;
    await updateMsg(msg, { deprecatedMms3Url, directPath, filehash: object.filehash, size: object.size, streamingSidecar: sidecar, firstFrameSidecar, mediaKey, mediaKeyTimestamp, encFilehash });
    return msg;
  });
  return outbox.resend(ready, Chats.get(msg.id.remote)).catch(() => { msg.ack = -1; });
}

function prepModules() {
  provide("WAWebMediaPrep", { MediaPrep, getMediaPropsNew, uploadMediaWithPrep, sendMediaMsgToChat });
  provide("WAWebPrepRawMedia", { prepRawMedia });
  provide("WAWebProcessRawMedia", { processRawMedia });
  provide("WAWebMediaGatingUtils", { getUploadLimit });
  provide("WAWebMediaDataUtils", { shouldUseMediaCache, processRawSticker: (opaque) => prepare.sticker(opaque) });
  provide("WAWebMediaMmsV4Upload", { uploadMedia, UploadMediaResultKind: { SUCCESS: "success", CANCELLATION: "cancellation", ERROR: "error", TIMEOUT: "timeout" }, cancelUploadMedia: (object) => object.cancelUpload() });
  provide("WAWebImageUtils", { toWebpSticker: async (blob) => (await prepare.sticker(await OpaqueData.createFromData(blob, blob.type))).mediaBlob.forceToBlob() });
  provide("WAWebMediaUpdateMsg", { default: updateMsg }, ESM);
  provide("WAWebMediaResumeUploadMsg", { resumeUploadMsg });
  provide("WAWebMediaCancelUploadMsg", { cancelUploadMsg: (msg) => msg.mediaObject?.cancelUpload(), cancelUploadMedia: (object) => object.cancelUpload() });
}
