// What the runs share: the stand-in's control API, steps with a deadline, and the unmodified library.
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const LIMIT = 60_000;

// What is installed in `versions` and here: another version has a name of its own there.
const installed = createRequire(new URL("versions/", import.meta.url));
export const library = (args) => installed(args.library ?? "whatsapp-web.js");
export const version = (args) => installed(`${args.library ?? "whatsapp-web.js"}/package.json`).version;

// The options that every run has, those of its own, and those that may be left out.
export function options(own = {}, more = {}) {
  const { values } = parseArgs({ options: { control: { type: "string" }, "tls-port": { type: "string" }, library: { type: "string" }, ...own, ...more } });
  const missing = ["control", "tls-port", ...Object.keys(own)].filter((name) => !values[name]);
  if (missing.length > 0) {
    console.error(`missing: ${missing.map((name) => `--${name}`).join(" ")}; see README.md`);
    process.exit(2);
  }
  return values;
}

export const done = [], skipped = [];
// What the real page has no name for is not asked of the stand-in either; the reason is told.
export function skip(name, reason) {
  skipped.push({ step: name, reason });
  console.log(`--  ${name}: ${reason}`);
}
export async function step(name, work) {
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

export async function control(args, path, body) {
  const response = await fetch(new URL(path, args.control), { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

// Holds a call to what it is to answer.
export function expect(name, holds, found) {
  if (!holds) throw new Error(`${name}: ${JSON.stringify(found)}`);
}

// What a recipient got.
export async function received(args, wanted) {
  for (;;) {
    const messages = await (await fetch(new URL("messages", args.control))).json();
    const found = messages.find(wanted);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const event = (client, name, wanted = () => true) =>
  new Promise((resolve) => client.on(name, function listener(...values) {
    if (!wanted(...values)) return;
    client.off(name, listener);
    resolve(values);
  }));

// How the browser is started; the origin is kept.
export const launchOptions = (args) => ({
  headless: true,
  executablePath: process.env.CHROMIUM || "/usr/lib/chromium/chromium",
  args: ["--no-sandbox", `--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:${args["tls-port"]}`, "--ignore-certificate-errors",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic"],
});

// `login`: what LocalAuth takes, dataPath and perhaps clientId.
export function create(args, login) {
  const { Client, LocalAuth } = library(args);
  return new Client({
    authStrategy: new LocalAuth(login),
    webVersionCache: { type: "none" },
    puppeteer: launchOptions(args),
  });
}

// Starts a client without a login and lets a phone scan its QR.
export async function link(args, client) {
  const qr = event(client, "qr"), authenticated = event(client, "authenticated"), ready = event(client, "ready");
  const booted = client.initialize();
  booted.catch(() => {});
  const [text] = await step("qr", Promise.race([qr, booted.then(() => qr)]));
  await step("scan", control(args, "scan", { qr: text, ...(args.pn ? { pn: args.pn } : {}) }));
  await step("authenticated", authenticated);
  await step("ready", ready);
}

// The last line is JSON, and the exit code says the same.
export function end(failure) {
  if (failure) console.error(`failed  ${failure.message}`);
  console.log(JSON.stringify({ ok: !failure, steps: done, skipped, error: failure?.message }));
  process.exit(failure ? 1 : 0);
}
