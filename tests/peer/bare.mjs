// Sends with puppeteer alone, one `evaluate` per message: the lower bound for every gateway that drives the page. Reads
// jobs from standard input as lines of JSON, {"sends","concurrency","acked","numbers"}, and answers each with
// {"millis"}: one duration per message.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import puppeteer from "puppeteer";
import { control, launchOptions, options, step } from "./peer.mjs";

const args = options({ pn: { type: "string" } });
const userDataDir = await mkdtemp(join(tmpdir(), "wharf-bare-"));
const browser = await puppeteer.launch({ ...launchOptions(args), userDataDir });
const page = await browser.newPage();
await page.goto("https://web.whatsapp.com/");
const code = await step("qr", page.waitForSelector("div[data-ref]"));
await step("scan", control(args, "scan", { qr: await code.evaluate((box) => box.getAttribute("data-ref")), pn: args.pn }));
const synced = () => typeof window.require === "function" && window.require("WAWebSocketModel").Socket.hasSynced === true;
await step("ready", page.waitForFunction(synced, { polling: 50 }));

// The contact of each number is looked up only once.
const chats = new Map();
async function chatOf(number) {
  if (!chats.has(number)) {
    const find = async (id) => {
      const found = await window.require("WAWebQueryExistsJob").queryWidExists(window.require("WAWebWidFactory").createWid(id));
      return String(found.wid);
    };
    chats.set(number, await page.evaluate(find, `${number}@c.us`));
  }
  return chats.get(number);
}

async function call({ to, body, acked }) {
  const { require } = window;
  const wid = require("WAWebWidFactory").createWid(to);
  const { chat } = await require("WAWebFindChatAction").findOrCreateLatestChat(wid, "createChat");
  const me = require("WAWebUserPrefsMeUser");
  const from = chat.id.isLid() ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
  const Key = require("WAWebMsgKey");
  const id = new Key({ from, to: chat.id, id: await Key.newId(), selfDir: "out" });
  const message = { id, from, to: chat.id, type: "chat", body, t: Math.floor(Date.now() / 1000), ack: 0, local: true, self: "out", isNewMsg: true };
  const [added, sent] = require("WAWebSendMsgChatAction").addAndSendMsgToChat(chat, message);
  await added;
  if (acked) await sent;
  return String(id);
}

async function run({ sends, concurrency, acked, numbers }) {
  const millis = [];
  let next = 0;
  const client = async (to) => {
    for (let n = next++; n < sends; n = next++) {
      const began = performance.now();
      await page.evaluate(call, { to, body: `bare ${n}`, acked });
      millis.push(performance.now() - began);
    }
  };
  const addresses = await Promise.all(numbers.slice(0, concurrency).map(chatOf));
  await Promise.all(addresses.map(client));
  return { millis };
}

console.log(JSON.stringify({ ready: true }));
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await run(JSON.parse(line))));
await browser.close();
await rm(userDataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
process.exit(0);
