// Runs unmodified whatsapp-web.js on the stand-in, step by step; each step has a deadline. The last line is JSON.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import wwebjs from "whatsapp-web.js";

const { Client, LocalAuth } = wwebjs;
const { values: args } = parseArgs({ options: { control: { type: "string" }, "tls-port": { type: "string" } } });
if (!args.control || !args["tls-port"]) {
  console.error("usage: node run.mjs --control http://127.0.0.1:PORT/_control/ --tls-port PORT");
  process.exit(2);
}

const LIMIT = 60_000;
const profile = await mkdtemp(join(tmpdir(), "wharf-peer-"));
const done = [];
let client;

async function control(path, body) {
  const response = await fetch(new URL(path, args.control), { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}
async function step(name, work) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`not within ${LIMIT} ms`)), LIMIT); });
  try {
    const result = await Promise.race([work, late]);
    done.push(name);
    console.log(`ok  ${name}`);
    return result;
  } catch (error) {
    throw new Error(`${name}: ${error?.message ?? error}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
const event = (name, wanted = () => true) =>
  new Promise((resolve) => client.on(name, function listener(...values) {
    if (!wanted(...values)) return;
    client.off(name, listener);
    resolve(values);
  }));
function start() {
  client = new Client({
    authStrategy: new LocalAuth({ dataPath: profile }),
    webVersionCache: { type: "none" },
    puppeteer: {
      headless: true,
      executablePath: process.env.CHROMIUM || "/usr/lib/chromium/chromium",
      args: ["--no-sandbox", `--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:${args["tls-port"]}`, "--ignore-certificate-errors",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic"],
    },
  });
}

let failure;
try {
  start();
  let qr = event("qr");
  const authenticated = event("authenticated"), ready = event("ready");
  const booted = client.initialize();
  booted.catch(() => {});
  const [text] = await step("qr", Promise.race([qr, booted.then(() => qr)]));
  await step("scan", control("scan", { qr: text }));
  await step("authenticated", authenticated);
  await step("ready", ready);

  const acks = [1, 2, 3].map((level) => event("message_ack", (_, ack) => ack === level));
  const sent = await step("send", client.sendMessage("4915123456789@c.us", "hello from the peer"));
  if (!sent?.id?.id) throw new Error("send: no message id");
  for (const [i, ack] of acks.entries()) await step(`ack ${i + 1}`, ack);

  const inbound = event("message", (message) => message.body === "hello to the peer");
  await control("inbound", { from: "4915123456789", body: "hello to the peer", pushname: "Phone" });
  await step("inbound", inbound);
  const state = await step("getState", client.getState());
  if (state !== "CONNECTED") throw new Error(`getState: ${state}`);

  await client.destroy();
  start();
  let shown = false;
  client.on("qr", () => { shown = true; });
  const again = event("ready");
  client.initialize().catch(() => {});
  await step("restart", again);
  if (shown) throw new Error("restart: a QR was shown though the login was kept");
  done.push("no qr after restart");

  // The library closes its browser right after asking, so no event follows; it deletes its profile.
  await step("logout", client.logout());
  if (existsSync(join(profile, "session"))) throw new Error("logout: the profile was kept");
} catch (error) {
  failure = error;
  console.error(`failed  ${error.message}`);
} finally {
  await client?.destroy().catch(() => {});
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
console.log(JSON.stringify({ ok: !failure, steps: done, error: failure?.message }));
process.exit(failure ? 1 : 0);
