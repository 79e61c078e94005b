// Runs unmodified whatsapp-web.js on the stand-in, step by step; `--library` names another version that is installed in `versions`,
// and `--large` also sends a document of more than 50 MiB.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chats, contacts, media } from "./calls.mjs";
import { sendMedia } from "./media.mjs";
import { modules } from "./page.mjs";
import { before, control, create, done, end, event, expect, library, link, listening, options, received, skip, step } from "./peer.mjs";

const args = options({}, { large: { type: "boolean" } });
const { Location } = library(args);
const profile = await mkdtemp(join(tmpdir(), "wharf-peer-"));
// For versions that do not become ready on the real page either: the name which that page lacks. Their calls work
// without the event.
const unready = before(args, "1.34.5") ? ["WAWebCollections.Call", "the client listens to it before it says that it is ready"] : undefined;
// In such a version, each send marks the chat as seen unless it is told not to; calls.mjs says with which call.
const plainly = unready ? { sendSeen: false } : {};
let client, failure;
const start = () => { client = create(args, { dataPath: profile }); };

try {
  start();
  await link(args, client, unready);

  const acks = [1, 2, 3].map((level) => event(client, "message_ack", (_, ack) => ack === level));
  const sent = await step("send", client.sendMessage("4915123456789@c.us", "hello from the peer", plainly));
  expect("send", sent?.id?.id, sent);
  for (const [i, ack] of acks.entries()) await step(`ack ${i + 1}`, ack);

  const inbound = event(client, "message", (message) => message.body === "hello to the peer");
  await control(args, "inbound", { from: "4915123456789", body: "hello to the peer", pushname: "Phone" });
  if (unready) skip("inbound", `${unready[0]} is not in WhatsApp Web`);
  else await step("inbound", inbound);
  const question = await chats(args, client);

  const other = "4917612345678";
  await control(args, "settings", { linkPreview: { title: "Example" } });
  const words = `@${other} see https://example.org`;
  await step("reply", client.sendMessage(question.from, words, { mentions: [`${other}@c.us`], quotedMessageId: question.id._serialized, ...plainly }));
  const reply = await step("reply arrives", received(args, (message) => message.body === words));
  expect("reply", reply.mentions[0] === `${other}@c.us` && reply.quoted?.body === question.body && reply.preview?.title === "Example", reply);
  await step("location", client.sendMessage(question.from, new Location(52.5, -13.4, { name: "Home" }), plainly));
  const place = await step("location arrives", received(args, (message) => message.kind === "location"));
  expect("location", place.location?.lat === 52.5 && place.location?.loc === "Home", place);
  await contacts(args, client);
  await media(args, client);
  await sendMedia(args, client, question.from, plainly);
  if (!args.library) await modules(args, client.pupPage);
  const state = await step("getState", client.getState());
  expect("getState", state === "CONNECTED", state);

  await client.destroy();
  start();
  let shown = false;
  client.on("qr", () => { shown = true; });
  const again = unready ? listening(client) : event(client, "ready");
  client.initialize().catch(() => {});
  await step("restart", again);
  expect("restart: a QR was shown though the login was kept", !shown);
  done.push("no qr after restart");
  await step("reply after restart", client.sendMessage(question.from, "still there", { quotedMessageId: question.id._serialized, ...plainly }));
  const late = await step("reply after restart arrives", received(args, (message) => message.body === "still there"));
  expect("reply after restart", late.quoted?.body === question.body, late);

  // The library closes its browser right after asking for the logout, so no event follows. It also deletes its profile.
  await step("logout", client.logout());
  expect("logout: the profile was kept", !existsSync(join(profile, "session")));
} catch (error) {
  failure = error;
} finally {
  await client?.destroy().catch(() => {});
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
end(failure);
