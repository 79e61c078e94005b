// Runs unmodified whatsapp-web.js on the stand-in, step by step.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { control, create, done, end, event, link, options, step } from "./peer.mjs";

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
  await step("inbound", inbound);
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
