// Calls of the page's modules that the library does not make. What is expected here was seen when the same calls ran on
// WhatsApp Web's own modules.
import { createHash, randomBytes } from "node:crypto";
import { control, expect, received, step, until } from "./peer.mjs";

const state = async (args) => (await fetch(new URL("state", args.control))).json();
const hash = (bytes) => createHash("sha256").update(bytes).digest("base64");

// Defines in the page what the calls share.
function define() {
  const encode = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
  const random = (count) => crypto.getRandomValues(new Uint8Array(count));
  const { findOrCreateLatestChat } = window.require("WAWebFindChatAction"), { createWid } = window.require("WAWebWidFactory");
  const Key = window.require("WAWebMsgKey"), { getMaybeMeLidUser } = window.require("WAWebUserPrefsMeUser");
  window.check = {
    key: () => ({ mediaKey: encode(random(32)), mediaKeyTimestamp: Math.floor(Date.now() / 1000) }),
    // Bytes that can be made again outside of the page.
    bytes(count) {
      const bytes = new Uint8Array(count);
      for (let i = 0; i < count; i++) bytes[i] = (i * 7 + (i >> 8)) & 255;
      return bytes;
    },
    upload: (asked) => window.require("WAWebUploadManager").encryptAndUpload({ uploadQpl: window.require("WAWebStartMediaUploadQpl").startMediaUploadQpl({ entryPoint: "MediaUpload" }), ...asked }),
    outcome: (promise) => promise.then((found) => found?.messageSendResult ?? (found?.serialize ? "added" : "uploaded"), (error) => error.name),
    chat: async () => (await findOrCreateLatestChat(createWid("4915123456789@c.us"))).chat,
    async message(id, fields) {
      const chat = await this.chat(), bytes = random(500), filehash = encode(await crypto.subtle.digest("SHA-256", bytes));
      const { url, ...found } = await this.upload({ blob: new Blob([bytes]), type: "image", ...this.key() });
      const key = new Key({ from: getMaybeMeLidUser(), to: chat.id, id, selfDir: "out" });
      const base = await window.require("WAWebMsgDataUtils").genOutgoingMsgData(chat, "image");
      return { ...base, id: key, mimetype: "image/jpeg", filehash, size: bytes.length, deprecatedMms3Url: url, encFilehash: found.encFilehash, directPath: found.directPath, mediaKey: found.mediaKey, mediaKeyTimestamp: found.mediaKeyTimestamp, ...fields };
    },
    async send(id, fields) {
      const [added, sent] = window.require("WAWebSendMsgChatAction").addAndSendMsgToChat(await this.chat(), await this.message(id, fields));
      return [await this.outcome(added), await this.outcome(sent)];
    },
    async prepare(id) {
      const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 }), chat = await this.chat();
      canvas.getContext("2d").fillRect(Math.random() * 40, Math.random() * 30, 5, 5);
      const opaque = await window.require("WAWebMediaOpaqueData").createFromData(await new Promise((done) => canvas.toBlob(done, "image/png")), "image/png");
      const prep = window.require("WAWebPrepRawMedia").prepRawMedia(opaque, {});
      await prep.waitForPrep();
      return prep.sendToChat({ chat, options: { productMsgOptions: { id: new Key({ from: getMaybeMeLidUser(), to: chat.id, id, selfDir: "out" }) } } });
    },
  };
}
const id = () => `3EB0${randomBytes(9).toString("hex").toUpperCase()}`;

export async function modules(args, page) {
  const set = (patch) => control(args, "settings", patch);
  const run = (work, ...given) => page.evaluate(work, ...given);
  await page.evaluate(define);

  // The same bytes and the same key are one file; it is asked for, and no bytes are sent again.
  const twice = await step("upload twice with one key", run(async () => {
    const { check } = window, key = check.key(), upload = () => check.upload({ blob: new Blob([check.bytes(5000)]), type: "image", ...key });
    return [await upload(), await upload()].map(({ encFilehash }) => encFilehash);
  }));
  const once = (await state(args)).uploads.at(-1);
  expect("upload twice with one key", twice[0] === twice[1] && once.posts === 1 && once.questions === 2, once);

  for (const [status, outcome] of [[403, "HttpStatusCodeError"], [404, "HttpStatusCodeError"], [413, "MediaTooLargeError"], [415, "MediaInvalidError"], [507, "MMSThrottleError"]]) {
    await set({ uploadFailures: [status] });
    const found = await run(() => window.check.outcome(window.check.upload({ blob: new Blob(["x"]), type: "image" })));
    expect(`an upload that is answered ${status}`, found === outcome, found);
  }
  await step("upload failures", Promise.resolve());

  // A browser repeats a request by itself when a connection breaks that it had kept open; then the page waits and begins
  // anew. A new upload goes on where the last one broke.
  const length = 3_000_000;
  await set({ uploadCuts: Array(20).fill(1_000_000), uploadFailures: [], resumeFailures: [] });
  const stopped = await step("an upload breaks", run(async (count) => {
    const { check } = window, aborter = new AbortController();
    window.kept = check.key();
    const upload = check.outcome(check.upload({ blob: new Blob([check.bytes(count)]), type: "video", signal: aborter.signal, ...window.kept }));
    window.stop = () => { aborter.abort(); return upload; };
    return true;
  }, length).then(() => until(async () => (await state(args)).uploads.find(({ bytes, path }) => bytes >= 1_000_000 && path === null))).then(() => run(() => window.stop())));
  expect("an upload that was aborted", stopped === "AbortError", stopped);
  await set({ uploadCuts: [] });
  await step("an upload goes on", run((count) => window.check.upload({ blob: new Blob([window.check.bytes(count)]), type: "video", ...window.kept }), length));
  const whole = (await state(args)).uploads.at(-1);
  expect("an upload goes on where it broke", whole.path && whole.from >= 1_000_000, whole);

  // Documents of more than 50 MiB are sent in pieces (with `--large`, because that takes a while); the recipient gets
  // every byte.
  const large = args.large ? 53_000_000 : 2_000_000;
  const file = await step("a large document", run(async (count) => {
    const { check } = window;
    const { url: deprecatedMms3Url, directPath, encFilehash, mediaKey, mediaKeyTimestamp } = await check.upload({ blob: new Blob([check.bytes(count)]), type: "document", ...check.key() });
    return { deprecatedMms3Url, directPath, encFilehash, mediaKey, mediaKeyTimestamp };
  }, large));
  const pieces = (await state(args)).uploads.at(-1);
  expect("a large document: two pieces and the end, or one piece", pieces.posts === (args.large ? 3 : 1) && pieces.size > large, pieces);
  const bytes = Buffer.alloc(large), big = id();
  for (let i = 0; i < large; i++) bytes[i] = (i * 7 + (i >> 8)) & 255;
  await run((key, fields) => window.check.send(key, fields), big, { ...file, type: "document", mimetype: "application/x-large", filename: "large.bin", filehash: hash(bytes), size: large });
  const got = await step("a large document arrives", received(args, (message) => message.id === big));
  expect("a large document", got.media.size === large && got.media.sha256 === hash(bytes) && !got.media.broken, got.media);
  const streamed = createHash("sha256");
  for await (const piece of (await fetch(new URL(`messages/${big}/media`, args.control))).body) streamed.update(piece);
  expect("the bytes of a large document", streamed.digest("base64") === hash(bytes), got.media);

  // A wrong message is refused when its row is there already. A missing path is not noticed.
  for (const [name, fields] of [["no key", { mediaKey: undefined }], ["a foreign address", { deprecatedMms3Url: "https://example.org/x" }], ["a wrong type", { mimetype: "image/gif" }], ["no size", { size: undefined }]]) {
    const found = await run((key, given) => window.check.send(key, Object.fromEntries(given)), id(), Object.entries(fields).map(([key, value]) => [key, value]));
    expect(`a message with ${name}`, found.join() === "added,ERROR_UNKNOWN", found);
  }
  const lost = id(), left = await step("late refusals", run((key) => window.check.send(key, { directPath: undefined }), lost));
  expect("a message without a path leaves", left.join() === "added,OK", left);
  expect("a message without a path is broken", (await received(args, (message) => message.id === lost)).media.broken, left);

  // A link ends; the file is still there.
  const gone = await step("a link that ends", run(async () => {
    const { check } = window, type = "image", plain = check.bytes(300), found = await check.upload({ blob: new Blob([plain]), type, ...check.key() });
    return { ...found, type };
  }));
  await set({ mediaExpired: true });
  const expired = await fetch(new URL(`/mms${gone.directPath}`, args.control));
  expect("a link that has ended", expired.status === 403 && (await expired.text()) === "URL signature expired", expired.status);
  await set({ mediaExpired: false });

  // The page's own way: texts of the chat wait for the upload.
  const unfinished = async () => (await state(args)).uploads.filter(({ path }) => path === null).length;
  const earlier = await unfinished();
  await set({ uploadHold: true });
  const [first, second] = [id(), id()];
  await run((key, text) => {
    const { check } = window, Key = window.require("WAWebMsgKey"), me = window.require("WAWebUserPrefsMeUser").getMaybeMeLidUser();
    window.prepared = check.outcome(check.prepare(key));
    window.behind = check.chat().then(async (chat) => {
      const { Msg } = window.require("WAWebCollections");
      while (!Msg.getModelsArray().some((msg) => msg.id.id === key)) await new Promise((done) => setTimeout(done, 5));
      const base = await window.require("WAWebMsgDataUtils").genOutgoingMsgData(chat, "chat");
      const [added, sent] = window.require("WAWebSendMsgChatAction").addAndSendMsgToChat(chat, { ...base, id: new Key({ from: me, to: chat.id, id: text, selfDir: "out" }), body: "behind an upload" });
      return [added, sent];
    });
    window.stored = window.behind.then(([added]) => added).then(() => true);
  }, first, second);
  await step("an upload is held", until(async () => (await unfinished()) > earlier));
  await step("the text behind it is stored", run(() => window.stored));
  expect("a text overtook an upload", !(await state(args)).messages.some((message) => message.id === second));
  await set({ uploadHold: false });
  expect("the page's own way", (await step("an upload goes on when it is let go", run(() => window.prepared))) === "OK");
  await step("the text behind it arrives", received(args, (message) => message.id === second));
  const order = (await state(args)).messages.map((message) => message.id);
  expect("the order of an upload and a text behind it", order.indexOf(first) < order.indexOf(second) && order.includes(first), order.length);
  const again = await run((key) => window.check.outcome(window.check.prepare(key)), first);
  expect("the same id again, in the page's own way", again === "ERROR_UNKNOWN", again);
}
