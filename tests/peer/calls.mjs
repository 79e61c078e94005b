// Calls of the library other than sending: chats, contacts, received media.
import { createCipheriv, createHash, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { absent, before, control, expect, refused, skip, step, until, upload, version } from "./peer.mjs";

const FROM = "4915123456789";

// The chat with the latest message must be in the list; the reply quotes that message.
export async function chats(args, client) {
  const list = () => client.getChats().then((all) => all.find((chat) => chat.lastMessage?.body === "hello to the peer"));
  const chat = await step("getChats", until(list));
  expect("getChats", chat.unreadCount === 1 && chat.isGroup === false, chat);
  if (before(args, "1.34.7")) {
    await refused("fetchMessages", "it passes the chat by itself, WAWebChatLoadMessages.loadEarlierMsgs takes it as { chat }", chat.fetchMessages({ limit: 10 }));
  } else {
    const messages = await step("fetchMessages", chat.fetchMessages({ limit: 10 }));
    expect("fetchMessages", messages.some((message) => message.body === "hello from the peer") && messages.at(-1).body === "hello to the peer", messages.map((message) => message.body));
  }
  if (!before(args, "1.34.5")) {
    await step("sendSeen", chat.sendSeen());
    await step("sendSeen shows", until(() => client.getChatById(chat.id._serialized).then((read) => read.unreadCount === 0)));
  } else {
    await refused("sendSeen", "it passes the chat by itself, WAWebUpdateUnreadChatAction.sendSeen takes it as { chat }", chat.sendSeen());
  }
  await groups(args, client);
  const archived = await chat.archive().then(() => client.getChatById(chat.id._serialized)).then((one) => one.archived);
  expect("archive asks the page's menus, and without them nothing happens, as on the real page", !archived, archived);
  return chat.lastMessage;
}

async function groups(args, client) {
  const missing = "WAWebCollections.GroupMetadata", id = "120363041234567890@g.us";
  await absent(client, missing);
  if (before(args, "1.34.5")) return skip("getChats with a group", `${missing} is not in WhatsApp Web`);
  await control(args, "inbound", { from: FROM, group: id, body: "hello to the group", pushname: "Phone" });
  const group = await step("getChats with a group", until(() => client.getChats().then((all) => all.find((one) => one.lastMessage?.body === "hello to the group"))));
  return expect("getChats with a group", group.isGroup && group.id._serialized === id && group.participants.length === 2, group);
}

export async function contacts(args, client) {
  if (before(args, "1.34.4")) {
    const missing = "WAWebContactGetters.getIsMyContact";
    await absent(client, missing);
    for (const name of ["getContactById", "getContacts", "block", "unblock"]) skip(name, `${missing} is not in WhatsApp Web`);
    return;
  }
  const contact = await step("getContactById", client.getContactById(`${FROM}@c.us`));
  expect("getContactById", contact.number === FROM && contact.pushname === "Phone" && contact.isMyContact === false && contact.isBlocked === false, contact);
  const all = await step("getContacts", client.getContacts());
  expect("getContacts: each person is there twice, as on the real page", all.filter((one) => one.pushname === "Phone").length === 2, all);
  if (version(args) === "1.34.7") {
    const missing = "WAWebBlockContactUtils.getContactToBlockOnlyUseIfNoAssociatedChat";
    await absent(client, missing);
    for (const name of ["block", "unblock"]) skip(name, `${missing} is not in WhatsApp Web`);
    return;
  }
  const blocked = () => client.getContactById(`${FROM}@c.us`).then((one) => one.isBlocked);
  await step("block", contact.block());
  expect("block", await blocked(), await client.getBlockedContacts());
  await step("unblock", contact.unblock());
  expect("unblock", !(await blocked()), await client.getBlockedContacts());
}

// A picture that the sender's phone encrypted; the page downloads and decrypts it.
export async function media(args, client) {
  const found = () => client.getChats().then((all) => all.map((chat) => chat.lastMessage).find((message) => message?.type === "image"));
  const plain = randomBytes(70_000), picture = encrypted(plain);
  await upload(args, picture.fields.directPath, picture.file);
  await control(args, "inbound", { from: FROM, kind: "image", fields: picture.fields });
  const message = await step("image arrives", until(found));
  if (before(args, "1.34.4")) return refused("downloadMedia", "it passes no downloadQpl, which WAWebDownloadManager.downloadManager writes to", message.downloadMedia());
  const got = await step("downloadMedia", message.downloadMedia());
  expect("downloadMedia: other bytes", got.mimetype === "image/jpeg" && Buffer.from(got.data, "base64").equals(plain), got?.mimetype);

  // When the media host no longer has a file, the page asks the phone to upload it again; this phone has lost it.
  const lost = encrypted(randomBytes(100));
  const { id } = await control(args, "inbound", { from: FROM, kind: "image", fields: lost.fields });
  const second = await step("image without a file arrives", until(() => found().then((one) => (one?.id.id === id ? one : undefined))));
  const answers = setInterval(() => control(args, "push", { frame: { type: "mediaretry", id } }), 100);
  const nothing = await step("downloadMedia of a lost file", second.downloadMedia()).finally(() => clearInterval(answers));
  return expect("downloadMedia of a lost file", nothing === undefined, nothing);
}

function encrypted(plain) {
  const key = randomBytes(32), hash = (bytes) => createHash("sha256").update(bytes).digest("base64");
  const keys = Buffer.from(hkdfSync("sha256", key, Buffer.alloc(32), "WhatsApp Image Keys", 112));
  const iv = keys.subarray(0, 16), cipher = createCipheriv("aes-256-cbc", keys.subarray(16, 48), iv);
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  const file = Buffer.concat([body, createHmac("sha256", keys.subarray(48, 80)).update(iv).update(body).digest().subarray(0, 10)]);
  const directPath = `/v/${randomBytes(8).toString("hex")}.enc`;
  return { file, fields: { directPath, mediaKey: key.toString("base64"), mediaKeyTimestamp: 1, filehash: hash(plain), encFilehash: hash(file), mimetype: "image/jpeg", size: plain.length, width: 1, height: 1 } };
}
