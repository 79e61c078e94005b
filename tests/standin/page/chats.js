// Chats: the model and the actions on a chat. Only `sendSeen` waits for the server.
const GroupMetadatas = new Collection(GroupMetadataModel);
const Mutes = new Collection(kind("mute"));

function makeChat(wid, name) {
  const chat = new ChatModel(
    {
      id: wid,
      name: name || wid.user,
      unreadCount: 0,
      t: now(),
      archive: false,
      isReadOnly: false,
      pin: 0,
      muteExpiration: 0,
      labels: undefined,
      ephemeralDuration: undefined,
      msgs: new Collection(MsgModel),
      lastReceivedKey: undefined,
    },
    {
      formattedTitle: name || wid.user,
      canSend: !contacts.isBlocked(wid),
      groupMetadata: wid.isGroup() ? groupMetadata(wid) : undefined,
      sendQueue: Promise.resolve(),
    },
  );
  chat.contact = contacts.of(wid);
  chat.presence = presenceOf(wid);
  chat.mute = muteOf(chat);
  chat.getLastMsgKeyForAction = () => chat.msgs.last()?.id;
  chat.iAmAdmin = () => chat.groupMetadata?.participants.iAmAdmin() ?? false;
  return chat;
}

function groupMetadata(wid) {
  const known = GroupMetadatas.get(wid);
  if (known) return known;
  const metadata = new GroupMetadataModel({
    id: wid, subject: undefined, owner: undefined, creation: now(), desc: undefined, announce: false, restrict: false, isLidAddressingMode: prefs.migrated(),
    participants: new Collection(ParticipantModel), membershipApprovalRequests: new Collection(),
  });
  const me = () => metadata.participants.find((one) => prefs.isMe(one.id));
  Object.assign(metadata.participants, {
    iAmMember: () => Boolean(me()),
    iAmAdmin: () => Boolean(me()?.isAdmin),
    iAmSuperAdmin: () => Boolean(me()?.isSuperAdmin),
  });
  for (const member of [prefs.migrated() ? prefs.meLid() : prefs.mePn()]) groupMember(metadata, member);
  GroupMetadatas.add(metadata);
  return metadata;
}
function groupMember(metadata, wid) {
  if (metadata.participants.get(wid)) return;
  metadata.participants.add(new ParticipantModel({ id: wid, isAdmin: false, isSuperAdmin: undefined }, { contact: contacts.of(wid) }));
}
// Known groups are not requested from the server.
GroupMetadatas.update = async (wid) => GroupMetadatas.get(wid);
GroupMetadatas.find = async (wid) => GroupMetadatas.get(wid);

// The chat's own `muteExpiration` follows a moment later.
function muteOf(chat) {
  const mute = new Mutes.modelClass({ id: chat.id, expiration: 0 });
  const set = async (expiration) => {
    if (typeof expiration !== "number") throw new ActionError();
    mute.set({ expiration });
    setTimeout(() => chat.set({ muteExpiration: expiration }), 5);
  };
  mute.mute = ({ expiration }) => set(expiration);
  mute.unmute = () => set(0);
  mute.canMute = () => true;
  return mute;
}

const chatActions = {
  async archive(chat, archive) {
    if (Boolean(chat.archive) === Boolean(archive)) throw new ActionError();
    chat.set(archive ? { archive: true, pin: 0 } : { archive: false });
  },
  async pin(chat, pin) { chat.set({ pin: pin ? Date.now() : 0 }); },
  // Sends one receipt for all unread messages and waits for the server's answer. A page that is not in the foreground
  // waits until it is, but resolves at once.
  async seen({ chat, afterAvailable = true }) {
    if (chat.unreadCount === 0) return;
    if (afterAvailable && !Stream.available) return void Stream.once("change:available", () => chatActions.seen({ chat }));
    const { unreadCount } = chat;
    await comms.query({ type: "seen", chat: String(chat.id) });
    chat.set({ unreadCount: unreadCount < 0 ? 0 : Math.max(0, chat.unreadCount - unreadCount) });
  },
  // Marks a chat as unread: only one that has been read, and only when the third argument says not to wait for the
  // page's focus.
  async markUnread(chat, unread, afterFocus = true) {
    if (unread && !afterFocus && chat.unreadCount === 0) chat.set({ unreadCount: -1 });
  },
};

// The newest message sets the chat's time; a new message brings an archived chat back.
Msgs.on("add", (msg) => {
  const chat = Chats.get(msg.id.remote);
  const last = chat?.lastReceivedKey && Msgs.get(chat.lastReceivedKey);
  if (!chat || (last && Number.isFinite(last.t) && Number.isFinite(msg.t) && last.t > msg.t)) return;
  chat.set({ lastReceivedKey: msg.id, t: msg.t });
  if (msg.isNewMsg && !msg.id.fromMe && !UNANSWERABLE.includes(msg.type)) chat.set({ archive: false });
  if (chat.groupMetadata && msg.author) groupMember(chat.groupMetadata, userWid(msg.author));
});

// The model of the quoted message: the one in memory, or one made from the quote.
function quotedMsgOf(msg) {
  if (!msg.quotedStanzaID) return undefined;
  const author = msg.quotedParticipant, remote = msg.quotedRemoteJid || msg.id.remote;
  const fromMe = Boolean(author && prefs.isMe(author));
  const key = new MsgKey({ fromMe, remote, id: msg.quotedStanzaID, participant: remote.isGroup() && !fromMe ? author : undefined });
  return Msgs.get(key) || makeMsg({ ...msg.quotedMsg, id: key, from: author || remote, to: msg.to, isNewMsg: undefined });
}

function chatModules() {
  provide("WAWebQuotedMsgModelUtils", { getQuotedMsgObj: quotedMsgOf });
  provide("WAWebChatCollection", { ChatCollection: Chats, ChatCollectionImpl });
  provide("WAWebChatModel", { Chat: ChatModel });
  provide("WAWebMsgModel", { Msg: MsgModel });
  provide("WAWebGroupMetadataCollection", { default: GroupMetadatas }, ESM);
  provide("WAWebGroupMetadataModel", { default: GroupMetadataModel }, ESM);
  provide("WAWebSetArchiveChatAction", { setArchive: chatActions.archive });
  provide("WAWebSetPinChatAction", { setPin: chatActions.pin });
  provide("WAWebHandleDirectChatReceipt", { handleChatSimpleReceipt: (receipt) => receipts.note(receipt) });
  provide("WAWebHandleGroupChatReceipt", { handleGroupSimpleReceipt: (receipt) => receipts.note(receipt) });
  provide("WAWebFrontendChatGetters", {
    getGroupMetadata: (chat) => chat.groupMetadata, getContact: (chat) => chat.contact, getMsgs: (chat) => chat.msgs, getFormattedTitle: (chat) => chat.formattedTitle,
    getMute: (chat) => chat.mute, getPresence: (chat) => chat.presence, getTrusted: (chat) => chat.msgs.getModelsArray().some((msg) => msg.id.fromMe),
    getIsParentGroup: () => false, getIsCAG: () => false, getShouldAppearInList: () => true,
  });
}
