// Media that the library sends. Each file is decrypted here a second time, by an implementation that shares nothing with
// the page and the server, and compared with what the recipient got.
import { createDecipheriv, createHash, createHmac, hkdfSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { before, expect, library, received, refused, step } from "./peer.mjs";

const NAMES = { image: "Image", sticker: "Image", video: "Video", gif: "Video", audio: "Audio", ptt: "Audio", document: "Document" };
const hash = (bytes) => createHash("sha256").update(bytes).digest("base64");
const file = (name) => readFile(new URL(`files/${name}`, import.meta.url));

export async function sendMedia(args, client, to, plainly) {
  const { MessageMedia } = library(args);
  const [picture, clip, voice, sticker] = await Promise.all(["picture.jpg", "clip.mp4", "voice.ogg", "sticker.webp"].map(file));
  const of = (mimetype, bytes, name) => new MessageMedia(mimetype, bytes.toString("base64"), name);
  const pdf = Buffer.from("%PDF-1.4\n%%EOF\n"), ogg = "audio/ogg; codecs=opus";
  const jpeg = () => of("image/jpeg", picture, "picture.jpg");
  // The page encodes pictures anew; the bytes of all other files stay.
  const sends = [
    ["image", jpeg(), { caption: "look" }, { kind: "image", mediaType: "image", mimetype: "image/jpeg", caption: "look", width: 320, height: 240, thumbnail: true, viewOnce: false, hd: false }],
    ["video", of("video/mp4", clip, "clip.mp4"), { caption: "watch" }, { kind: "video", mediaType: "video", mimetype: "video/mp4", caption: "watch", gif: false, duration: 1, width: 64, height: 48 }, clip],
    ["gif", of("video/mp4", clip, "clip.mp4"), { sendVideoAsGif: true }, { kind: "video", mediaType: "gif", gif: true }, clip],
    ["audio", of(ogg, voice, "tone.ogg"), {}, { kind: "audio", mediaType: "audio", mimetype: ogg, duration: 2 }, voice],
    ["voice", of(ogg, voice, "voice.ogg"), { sendAudioAsVoice: true }, { kind: "ptt", mediaType: "ptt", mimetype: ogg, duration: 2 }, voice],
    ["document", of("application/pdf", pdf, "plan.pdf"), { sendMediaAsDocument: true }, { kind: "document", mediaType: "document", mimetype: "application/pdf", filename: "plan.pdf" }, pdf],
    ["document with a caption", of("application/pdf", pdf, "plan.pdf"), { sendMediaAsDocument: true, caption: "read" }, { kind: "document", filename: "plan.pdf", caption: "read" }, pdf],
    ["sticker", of("image/webp", sticker, "sticker.webp"), { sendMediaAsSticker: true }, { kind: "sticker", mediaType: "sticker", mimetype: "image/webp" }, sticker],
    ["picture as a sticker", jpeg(), { sendMediaAsSticker: true, stickerName: "name", stickerAuthor: "author" }, { kind: "sticker", mimetype: "image/webp" }],
    ["view-once image", jpeg(), { isViewOnce: true }, { kind: "image", viewOnce: true, thumbnail: false }],
  ];
  for (const [name, media, options, wanted, bytes] of sends) {
    const send = client.sendMessage(to, media, { ...options, ...plainly });
    if (options.sendMediaAsSticker && before(args, "1.34.5")) {
      await refused(`send: ${name}`, "it passes no uploadQpl, which WAWebUploadManager.encryptAndUpload calls", send);
      continue;
    }
    const sent = await step(`send: ${name}`, send);
    const got = await step(`${name} arrives`, received(args, (message) => message.id === sent.id.id));
    const seen = { kind: got.kind, ...got.media };
    expect(name, Object.entries(wanted).every(([key, value]) => seen[key] === value) && !seen.broken, seen);
    if (name === "voice") expect("voice: a waveform of 64 values", seen.waveform?.length === 64, seen.waveform);
    await opens(args, name, sent.rawData, seen, bytes);
  }
}

// Decrypts what the library has sent, and compares it with the bytes given and with what the recipient got.
async function opens(args, name, { directPath, mediaKey, encFilehash }, got, bytes) {
  const encrypted = Buffer.from(await (await fetch(new URL(`/mms${directPath}`, args.control))).arrayBuffer());
  expect(`${name}: the file on the media host has another hash`, hash(encrypted) === encFilehash, encrypted.length);
  const keys = Buffer.from(hkdfSync("sha256", Buffer.from(mediaKey, "base64"), Buffer.alloc(32), `WhatsApp ${NAMES[got.mediaType]} Keys`, 112));
  const iv = keys.subarray(0, 16), body = encrypted.subarray(0, -10);
  const code = createHmac("sha256", keys.subarray(48, 80)).update(iv).update(body).digest().subarray(0, 10);
  expect(`${name}: the code at the end of the file`, code.equals(encrypted.subarray(-10)), encrypted.length);
  const cipher = createDecipheriv("aes-256-cbc", keys.subarray(16, 48), iv), plain = Buffer.concat([cipher.update(body), cipher.final()]);
  expect(`${name}: other bytes than the recipient got`, hash(plain) === got.sha256 && plain.length === got.size, got);
  if (bytes) expect(`${name}: other bytes than were sent`, plain.equals(bytes), plain.length);
}
