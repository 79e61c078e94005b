// What a collection holds. Clients find the classes by their `proxyName` and add to their prototypes.
function kind(proxyName, modelClass = class extends Model { }) {
  modelClass.prototype.proxyName = proxyName;
  return modelClass;
}
const ChatModel = kind("chat");
const ContactModel = kind("contact");
const PresenceModel = kind("presence");
const BlocklistModel = kind("blocklist");
const GroupMetadataModel = kind("groupMetadata");
const ParticipantModel = kind("participant");
const MsgModel = kind("msg", class extends Model {
  get mediaData() { return media.dataOf(this); }
  get mediaObject() { return media.objectOf(this); }
  downloadMedia(options) { return media.resolve(this, options); }
});

// Clients tell the collections by their classes.
class ChatCollectionImpl extends Collection { constructor() { super(ChatModel); } }
class ContactCollectionImpl extends Collection { constructor() { super(ContactModel); } }
class MsgCollectionImpl extends Collection {
  constructor() { super(MsgModel); }
  processMultipleMessages() { return notPlayed("WAWebMsgCollection", "MsgCollection.processMultipleMessages")(); }
}
// What the page's own menus ask for. It is told to a part of the page that is not there: nothing comes of it.
class CmdImpl extends Emitter {
  archiveChat(chat, archive, showToast = true) { this.trigger("archive_chat", { archive, chat, showToast }); }
  pinChat(chat, pin) { this.trigger("pin_chat", chat, pin); }
  markChatUnread(chat, unread) { this.trigger("mark_chat_unread", chat, unread); }
}
class CallCollection extends Emitter {
  calls = new Map();
  processIncomingCall() { return notPlayed("WAWebCallCollection", "processIncomingCall")(); }
}
