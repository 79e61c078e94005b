// Runs unmodified whatsapp-web.js on the stand-in, step by step.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import wwebjs from "whatsapp-web.js";
import { control, create, done, end, event, link, options, received, step } from "./peer.mjs";

const { Location } = wwebjs;
const args = options();
const profile = await mkdtemp(join(tmpdir(), "wharf-peer-"));
let client, failure;
const start = () => { client = create(args, { dataPath: profile }); };

try {
  start();
  await link(args, client);

  const acks = [1, 2, 3].map((level) => event(client, "message_ack", (_, ack) => ack === level));
  const sent = await step("send", client.sendMessage("4915123456789@c.us", "hello from the peer"));
  if (!sent?.id?.id) throw new Error("send: no message id");
  for (const [i, ack] of acks.entries()) await step(`ack ${i + 1}`, ack);

  const inbound = event(client, "message", (message) => message.body === "hello to the peer");
  await control(args, "inbound", { from: "4915123456789", body: "hello to the peer", pushname: "Phone" });
  const [question] = await step("inbound", inbound);

  const other = "4917612345678";
  await control(args, "settings", { linkPreview: { title: "Example" } });
  const words = `@${other} see https://example.org`;
  await step("reply", client.sendMessage(question.from, words, { mentions: [`${other}@c.us`], quotedMessageId: question.id._serialized }));
  const reply = await step("reply arrives", received(args, (message) => message.body === words));
  if (reply.mentions[0] !== `${other}@c.us` || reply.quoted?.body !== question.body || reply.preview?.title !== "Example") throw new Error(`reply: ${JSON.stringify(reply)}`);
  await step("location", client.sendMessage(question.from, new Location(52.5, -13.4, { name: "Home" })));
  const place = await step("location arrives", received(args, (message) => message.kind === "location"));
  if (place.location?.lat !== 52.5 || place.location?.loc !== "Home") throw new Error(`location: ${JSON.stringify(place)}`);
  const state = await step("getState", client.getState());
  if (state !== "CONNECTED") throw new Error(`getState: ${state}`);

  await client.destroy();
  start();
  let shown = false;
  client.on("qr", () => { shown = true; });
  const again = event(client, "ready");
  client.initialize().catch(() => {});
  await step("restart", again);
  if (shown) throw new Error("restart: a QR was shown though the login was kept");
  done.push("no qr after restart");
  await step("reply after restart", client.sendMessage(question.from, "still there", { quotedMessageId: question.id._serialized }));
  const late = await step("reply after restart arrives", received(args, (message) => message.body === "still there"));
  if (late.quoted?.body !== question.body) throw new Error(`reply after restart: ${JSON.stringify(late)}`);

  // The library closes its browser right after asking, so no event follows; it deletes its profile.
  await step("logout", client.logout());
  if (existsSync(join(profile, "session"))) throw new Error("logout: the profile was kept");
} catch (error) {
  failure = error;
} finally {
  await client?.destroy().catch(() => {});
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
end(failure);
