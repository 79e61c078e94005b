// Runs unmodified @wppconnect/wa-js on the stand-in. It is a script that is injected into the page and finds WhatsApp's
// modules by their exports.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer";
import { bundle, control, end, expect, launchOptions, options, received, skip, step, until } from "./peer.mjs";

const args = options();
const NUMBER = "4915123456789@c.us";
const source = await readFile(bundle("@wppconnect/wa-js"), "utf8");
const profile = await mkdtemp(join(tmpdir(), "wharf-wajs-"));
let browser, page, failure;

async function open() {
  const launch = launchOptions(args);
  // Only the stand-in may be reached; the script also calls other hosts.
  launch.args = launch.args.map((arg) => (arg.startsWith("--host-resolver-rules=") ? `${arg}, MAP * ~NOTFOUND` : arg));
  browser = await puppeteer.launch({ ...launch, userDataDir: profile });
  page = await browser.newPage();
  await page.evaluateOnNewDocument(() => { window.WPPConfig = { disableGoogleAnalytics: true }; });
  await page.goto("https://web.whatsapp.com/");
  await page.evaluate(source);
  await page.waitForFunction(() => window.WPP?.isReady === true, { polling: 50 });
  await page.evaluate(() => {
    window.heard = [];
    window.WPP.on("chat.new_message", (msg) => window.heard.push({ event: "new_message", body: msg.body, fromMe: msg.id.fromMe, id: String(msg.id) }));
    window.WPP.on("chat.msg_ack_change", ({ ack, ids }) => window.heard.push({ event: "ack", ack, ids: ids.map(String) }));
  });
}
const call = (name, work, ...given) => step(name, page.evaluate(work, ...given));
const heard = (wanted) => until(async () => (await page.evaluate(() => window.heard)).find(wanted));
const ready = () => page.waitForFunction(() => window.WPP.isFullReady && window.WPP.conn.isAuthenticated() && window.require("WAWebSocketModel").Socket.hasSynced === true, { polling: 50 });

try {
  await step("injected", open());
  const code = await step("getAuthCode", until(() => page.evaluate(() => window.WPP.conn.getAuthCode().then((found) => found?.ref && found.fullCode))));
  await step("scan", control(args, "scan", { qr: code }));
  await step("authenticated", ready());
  if (!(await page.evaluate(() => window.require("WAWebCmd").Cmd.isMainLoaded === undefined))) throw new Error("the stand-in has Cmd.isMainLoaded, which WhatsApp Web lacks");
  skip("conn.main_loaded", "WAWebCmd.Cmd.isMainLoaded is not in WhatsApp Web");
  const me = await call("getMyUserId", () => String(window.WPP.conn.getMyUserId()));
  expect("getMyUserId", me.endsWith("@c.us"), me);

  const found = await call("queryExists", (wid) => window.WPP.contact.queryExists(wid).then((answer) => String(answer?.wid)), NUMBER);
  expect("queryExists", /@(lid|c\.us)$/.test(found), found);
  const nobody = await call("queryExists of nobody", () => window.WPP.contact.queryExists("99912345678@c.us"));
  expect("queryExists of nobody", nobody === null, nobody);
  const sent = await call("send", async (wid) => {
    const { id, sendMsgResult } = await window.WPP.chat.sendTextMessage(wid, "hello from wa-js", { createChat: true });
    return { id, result: (await sendMsgResult).messageSendResult };
  }, NUMBER);
  expect("send", sent.result === "OK", sent);
  // The script builds the keys of ack levels 2 and 3 from a receipt without a participant, so they end with an
  // underscore, as on the real page.
  const keys = { 1: sent.id, 2: `${sent.id}_`, 3: `${sent.id}_` };
  for (const level of [1, 2, 3]) await step(`ack ${level}`, heard(({ event, ack, ids }) => event === "ack" && ack === level && ids.includes(keys[level])));
  await step("send arrives", received(args, (message) => message.body === "hello from wa-js"));

  await control(args, "inbound", { from: "4915123456789", body: "hello to wa-js", pushname: "Phone" });
  const question = await step("inbound", heard(({ event, body }) => event === "new_message" && body === "hello to wa-js"));
  const list = await call("list", async () => (await window.WPP.chat.list()).map((chat) => ({ id: String(chat.id), unread: chat.unreadCount, last: chat.msgs.last()?.body })));
  const chat = list.find((one) => one.last === "hello to wa-js");
  expect("list", chat?.unread === 1, list);
  const reply = await call("reply", async (id, quotedMsg) => {
    const { sendMsgResult } = await window.WPP.chat.sendTextMessage(id, "an answer", { quotedMsg });
    return (await sendMsgResult).messageSendResult;
  }, chat.id, question.id);
  expect("reply", reply === "OK", reply);
  const arrived = await step("reply arrives", received(args, (message) => message.body === "an answer"));
  expect("reply", arrived.quoted?.body === "hello to wa-js", arrived);
  // It looks for one module with both names.
  const prepares = await page.evaluate(() => Object.values(window.require("__debug").modulesMap).some(({ exports }) => exports?.MediaPrep && exports.uploadProductImage));
  if (prepares) throw new Error("the stand-in has a module with MediaPrep and uploadProductImage, which WhatsApp Web lacks");
  skip("sendFileMessage", "no module of WhatsApp Web has MediaPrep and uploadProductImage");
  const history = await call("getMessages", async (id) => (await window.WPP.chat.getMessages(id, { count: 10 })).map((msg) => msg.body), chat.id);
  expect("getMessages", ["hello from wa-js", "hello to wa-js", "an answer"].every((body) => history.includes(body)), history);
  await call("markIsRead", (id) => window.WPP.chat.markIsRead(id).then(() => true), chat.id);
  const unread = await page.evaluate((id) => window.WPP.chat.get(id).unreadCount, chat.id);
  expect("markIsRead", unread === 0, unread);
  const people = await call("contacts", async () => (await window.WPP.contact.list()).map((contact) => contact.pushname));
  expect("contacts: each person is there twice, as on the real page", people.filter((name) => name === "Phone").length === 2, people);
  const blocked = () => page.evaluate(() => window.WPP.blocklist.all().map(String));
  await call("block", (wid) => window.WPP.blocklist.blockContact(wid).then(() => true), NUMBER);
  expect("block", (await blocked()).length === 1, await blocked());
  await call("unblock", (wid) => window.WPP.blocklist.unblockContact(wid).then(() => true), NUMBER);
  expect("unblock", (await blocked()).length === 0, await blocked());

  await browser.close();
  await step("restart", open());
  await step("authenticated after restart", ready());
  const kept = await call("list after restart", async () => (await window.WPP.chat.list()).map((one) => one.msgs.last()?.body));
  expect("list after restart", kept.includes("an answer"), kept);
  const gone = page.waitForNavigation({ waitUntil: "load" });
  await page.evaluate(() => { window.WPP.conn.logout().catch(() => {}); });
  await step("logout", gone);
  await step("logout shows a QR", page.waitForSelector("div[data-ref]"));
} catch (error) {
  failure = error;
} finally {
  await browser?.close().catch(() => {});
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
end(failure);
