// Unmodified whatsapp-web.js behind a minimal Express server: the baseline that the gateway is compared with. `POST
// /send {"number","message"}` answers when the library reports the message as sent; with `"acked": true`, when it
// reports the server's acknowledgement. Every message and acknowledgement is posted to `--webhook URL`.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { create, link, options } from "./peer.mjs";

const args = options({}, { pn: { type: "string" }, webhook: { type: "string" } });
const profile = await mkdtemp(join(tmpdir(), "wharf-express-"));
const client = create(args, { dataPath: profile });
let server;

// Attached before the linking, which may take long or fail: whoever started this ends it by closing its input.
process.stdin.resume().on("end", async () => {
  server?.close();
  await client.destroy().catch(() => {});
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  process.exit(0);
});
await link(args, client);

if (args.webhook) {
  const tell = (event, payload) =>
    fetch(args.webhook, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ event, payload }) }).catch(() => {});
  client.on("message_create", (message) => tell("message_create", message));
  client.on("message", (message) => tell("message", message));
  client.on("message_ack", (message, ack) => tell("message_ack", { id: message.id, ack }));
}

const app = express();
app.use(express.json());
app.post("/send", async (request, response) => {
  const { number, message, acked } = request.body;
  const sent = await client.sendMessage(`${number}@c.us`, message, acked ? { waitUntilMsgSent: true } : undefined);
  response.json({ success: true, messageId: sent.id._serialized });
});
server = app.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
