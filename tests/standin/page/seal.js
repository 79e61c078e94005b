// The encryption of media files. Keys come from the media key; a file ends with a code that authenticates it.
const MEDIA_KEYS = {
  image: "Image", sticker: "Image", video: "Video", gif: "Video", ptv: "Video", audio: "Audio", ptt: "Audio", document: "Document",
  "thumbnail-image": "Image Thumbnail", "thumbnail-video": "Video Thumbnail", "thumbnail-document": "Document Thumbnail", "thumbnail-link": "Link Thumbnail",
};
const IV = 16, MAC = 10, SIDECAR_BLOCK = 65536;
// Of these, the message carries a code for each block, so that a player can check what it streams.
const STREAMED = ["video", "audio"];

async function mediaKeysOf(mediaKey, type) {
  const info = new TextEncoder().encode(`WhatsApp ${MEDIA_KEYS[type]} Keys`);
  const secret = await crypto.subtle.importKey("raw", unb64(mediaKey), "HKDF", false, ["deriveBits"]);
  const keys = await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info }, secret, 112 * 8);
  const [cipher, mac] = await Promise.all([
    crypto.subtle.importKey("raw", keys.slice(16, 48), "AES-CBC", false, ["encrypt", "decrypt"]),
    crypto.subtle.importKey("raw", keys.slice(48, 80), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]),
  ]);
  return { iv: new Uint8Array(keys.slice(0, IV)), cipher, mac };
}
async function codeOf(key, bytes) { return new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes), 0, MAC); }
async function sha256(bytes) { return b64(await crypto.subtle.digest("SHA-256", bytes)); }

// The same bytes and the same key always make the same file.
async function seal(plain, mediaKey, type) {
  const { iv, cipher, mac } = await mediaKeysOf(mediaKey, type);
  const body = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv }, cipher, plain));
  const whole = new Uint8Array(IV + body.length + MAC);
  whole.set(iv);
  whole.set(body, IV);
  whole.set(await codeOf(mac, whole.subarray(0, IV + body.length)), IV + body.length);
  const file = whole.subarray(IV);
  return { file, encFilehash: await sha256(file), sidecar: STREAMED.includes(type) ? await sidecarOf(whole, mac) : undefined };
}
async function sidecarOf(whole, mac) {
  const count = Math.ceil((whole.length - IV) / SIDECAR_BLOCK), sidecar = new Uint8Array(count * MAC);
  const codes = await Promise.all(Array.from({ length: count }, (_, n) => codeOf(mac, whole.subarray(n * SIDECAR_BLOCK, (n + 1) * SIDECAR_BLOCK + IV))));
  codes.forEach((code, n) => sidecar.set(code, n * MAC));
  return sidecar.buffer;
}
async function decrypt(file, mediaKey, type) {
  const { iv, cipher, mac } = await mediaKeysOf(mediaKey, type);
  const body = new Uint8Array(file, 0, Math.max(0, file.byteLength - MAC));
  const signed = new Uint8Array(IV + body.length);
  signed.set(iv);
  signed.set(body, IV);
  if (b64(await codeOf(mac, signed)) !== b64(file.slice(-MAC))) throw new MediaDecryptionError("the key does not fit");
  return crypto.subtle.decrypt({ name: "AES-CBC", iv }, cipher, body).catch(() => { throw new MediaDecryptionError("the key does not fit"); });
}
