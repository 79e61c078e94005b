// Unmodified whatsapp-web.js behind a minimal Express server: what the gateway's calls are measured beside.
// `POST /send {"number","message"}` answers when the library says that the message is sent.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { create, link, options } from "./peer.mjs";

const args = options();
const profile = await mkdtemp(join(tmpdir(), "wharf-express-"));
const client = create(args, { dataPath: profile });
await link(args, client);

const app = express();
app.use(express.json());
app.post("/send", async (request, response) => {
  const sent = await client.sendMessage(`${request.body.number}@c.us`, request.body.message);
  response.json({ success: true, messageId: sent.id._serialized });
});
const server = app.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));

process.stdin.resume().on("end", async () => {
  server.close();
  await client.destroy().catch(() => {});
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  process.exit(0);
});
