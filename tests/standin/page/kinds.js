// The model classes of the collections. Clients find the classes by their `proxyName` and extend their prototypes.
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
  cancelUpload() { this.mediaObject?.cancelUpload(); }
});

// Clients recognise the collections by their classes.
class ChatCollectionImpl extends Collection { constructor() { super(ChatModel); } }
class ContactCollectionImpl extends Collection { constructor() { super(ContactModel); } }
class MsgCollectionImpl extends Collection {
  constructor() { super(MsgModel); }
  processMultipleMessages() { return notPlayed("WAWebMsgCollection", "MsgCollection.processMultipleMessages")(); }
}
// The commands of the page's menus. They trigger events for a part of the page that does not exist here, so nothing
// happens.
class CmdImpl extends Emitter {
  archiveChat(chat, archive, showToast = true) { this.trigger("archive_chat", { archive, chat, showToast }); }
  pinChat(chat, pin) { this.trigger("pin_chat", chat, pin); }
  markChatUnread(chat, unread) { this.trigger("mark_chat_unread", chat, unread); }
}
class CallCollection extends Emitter {
  calls = new Map();
  processIncomingCall() { return notPlayed("WAWebCallCollection", "processIncomingCall")(); }
}
