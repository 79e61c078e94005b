// Shared by the runs: the stand-in's control API, steps with a deadline, and access to the unmodified library.
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const LIMIT = 60_000;

// Resolves packages from `versions`, then from this folder. In `versions`, each other version of whatsapp-web.js has
// its own package name (`wwebjs-1.34.6`).
const installed = createRequire(new URL("versions/", import.meta.url));
export const library = (args) => installed(args.library ?? "whatsapp-web.js");
export const version = (args) => installed(`${args.library ?? "whatsapp-web.js"}/package.json`).version;
export const bundle = (name) => installed.resolve(name);

// Parses the command line: options common to all runs, the run's own required options (`own`), and its optional ones
// (`more`).
export function options(own = {}, more = {}) {
  const { values } = parseArgs({ options: { control: { type: "string" }, "tls-port": { type: "string" }, library: { type: "string" }, ...own, ...more } });
  const missing = ["control", "tls-port", ...Object.keys(own)].filter((name) => !values[name]);
  if (missing.length > 0) {
    console.error(`missing: ${missing.map((name) => `--${name}`).join(" ")}; see README.md`);
    process.exit(2);
  }
  return values;
}

// Whether the library under test is older than `wanted`; 1.34.5-alpha.3 is older than 1.34.5.
export function before(args, wanted) {
  const numbers = (text) => { const [release, ...pre] = text.split("-"); return [...release.split(".").map(Number), pre.length === 0 ? Infinity : Number(pre[0].split(".")[1])]; };
  const [mine, other] = [numbers(version(args)), numbers(wanted)];
  const at = mine.findIndex((number, i) => number !== other[i]);
  return at >= 0 && mine[at] < other[at];
}

export const done = [], skipped = [];
// Skips a step that cannot work on the real page either, and prints the reason.
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

// Checks that the stand-in lacks `Module.export` too, so that a step skipped for it is skipped rightly.
export async function absent(client, name) {
  const there = await client.pupPage.evaluate((module, key) => {
    if (!window.require("__debug").modulesMap[module]) return false;
    return window.require(module)[key] !== undefined;
  }, ...name.split("."));
  if (there) throw new Error(`the stand-in has ${name}, which WhatsApp Web lacks`);
}

// Skips a step whose call the real page answers with a TypeError, after checking that the stand-in does the same.
export async function refused(name, reason, work) {
  const error = await work.then(() => undefined, (thrown) => thrown);
  if (!/TypeError|Cannot read properties/.test(String(error))) throw new Error(`the stand-in takes ${name} (${error}), which WhatsApp Web refuses: ${reason}`);
  skip(name, reason);
}

// Calls `ask` until it returns something. It has no deadline of its own; the enclosing step has one.
export async function until(ask) {
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// Throws when `holds` is false; `found` is the value shown in the error.
export function expect(name, holds, found) {
  if (!holds) throw new Error(`${name}: ${JSON.stringify(found)}`);
}

// Puts a file on the media host.
export async function upload(args, path, file) {
  const response = await fetch(new URL(`media${path}`, args.control), { method: "PUT", body: file });
  if (!response.ok) throw new Error(`upload: ${response.status}`);
}

// Waits for a message that matches `wanted` to arrive at a recipient.
export const received = (args, wanted) =>
  until(async () => (await (await fetch(new URL("messages", args.control))).json()).find(wanted));

export const event = (client, name, wanted = () => true) =>
  new Promise((resolve) => client.on(name, function listener(...values) {
    if (!wanted(...values)) return;
    client.off(name, listener);
    resolve(values);
  }));

// Launch options of the browser. The page keeps the origin https://web.whatsapp.com.
export const launchOptions = (args) => ({
  headless: true,
  executablePath: process.env.CHROMIUM || "/usr/lib/chromium/chromium",
  args: ["--no-sandbox", `--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:${args["tls-port"]}`, "--ignore-certificate-errors",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic"],
});

// `login` holds the options of LocalAuth: `dataPath` and optionally `clientId`.
export function create(args, login) {
  const { Client, LocalAuth } = library(args);
  return new Client({
    authStrategy: new LocalAuth(login),
    webVersionCache: { type: "none" },
    puppeteer: launchOptions(args),
  });
}

// Resolves when a client fails while registering its listeners, as it does on the real page. Those registered before
// the failure work from then on.
export const listening = (client) =>
  event(client, "authenticated").then(() => new Promise((resolve) => client.pupPage.on("pageerror", (error) => { if (/reading 'on'/.test(String(error))) resolve(); })));

// Starts a client without a login and has a phone scan its QR code. `unready` is set for a version that never becomes
// ready: the name missing from the page, and what the version uses it for.
export async function link(args, client, unready) {
  const qr = event(client, "qr"), authenticated = event(client, "authenticated"), ready = event(client, "ready"), listens = unready && listening(client);
  const booted = client.initialize();
  booted.catch(() => {});
  const [text] = await step("qr", Promise.race([qr, booted.then(() => qr)]));
  await step("scan", control(args, "scan", { qr: text, ...(args.pn ? { pn: args.pn } : {}) }));
  await step("authenticated", authenticated);
  if (!unready) return void (await step("ready", ready));
  await step("listens", listens);
  await absent(client, unready[0]);
  skip("ready", `${unready[0]} is not in WhatsApp Web; ${unready[1]}`);
}

// Prints the result as a last line of JSON and exits with 0, or with 1 after a failure.
export function end(failure) {
  if (failure) console.error(`failed  ${failure.message}`);
  console.log(JSON.stringify({ ok: !failure, steps: done, skipped, error: failure?.message }));
  process.exit(failure ? 1 : 0);
}
