// Contacts. Each person exists twice, as a number and as a LID, with the same names and the same blocked state.
const Contacts = new ContactCollectionImpl();
const Blocklist = new Collection(BlocklistModel);
const Presences = new Collection(PresenceModel);

class ActionError extends Error { constructor() { super("Could not perform action."); this.name = "ActionError"; } }

const contacts = {
  other: (wid) => (wid.isLid() ? pnByLid : lidByPn).get(String(wid)),
  both(wid) { return [wid, this.other(wid)].filter(Boolean); },

  // Any id has a contact, whether or not such an account exists.
  of(asked) {
    const wid = asked.isUser() ? userWid(asked) : asked;
    const known = Contacts.get(wid);
    if (known) return known;
    const other = wid.isUser() ? this.other(wid) : undefined;
    const twin = other && Contacts.get(other);
    const contact = new ContactModel(
      { id: wid, name: twin?.name, shortName: twin?.shortName, pushname: twin?.pushname, verifiedName: undefined, type: "in", isBusiness: undefined, isEnterprise: undefined, isSmb: undefined, statusMute: undefined, labels: undefined },
      { phoneNumber: wid.isLid() ? other : undefined, isContactBlocked: this.isBlocked(wid), businessProfile: undefined },
    );
    Contacts.add(contact);
    return contact;
  },
  paired(pn, lid) {
    this.of(pn);
    this.of(lid).set({ phoneNumber: pn });
    for (const wid of [pn, lid]) this.name(wid, { pushname: Contacts.get(pn).pushname || Contacts.get(lid).pushname });
  },
  // Sets the names of a person in both forms and stores them for the next start.
  name(wid, names) {
    if (!Object.values(names).some(Boolean)) return;
    for (const form of this.both(wid)) this.of(form).set(names);
    db.put("model-storage", "contact", { id: String(userWid(wid)), ...names }).catch(() => {});
  },
  async restore() {
    for (const [pn, lid] of lidByPn) this.paired(createWid(pn), lid);
    for (const { id, ...names } of await db.all("model-storage", "contact")) for (const form of this.both(createWid(id))) this.of(form).set(names);
    for (const me of [prefs.mePn(), prefs.meLid()].filter(Boolean)) this.of(me);
    for (const user of site.blocked) {
      const form = [pnByLid.has(`${user}@lid`) && `${user}@lid`, `${user}@c.us`].find((text) => text && Wid.isWid(text));
      if (form) this.block(createWid(form));
    }
  },

  isBlocked(wid) { return this.both(wid).some((form) => Blocklist.get(form)); },
  block(wid) {
    Blocklist.add(new BlocklistModel({ id: wid }));
    this.blockChanged(wid);
  },
  blockChanged(wid) {
    for (const form of this.both(wid)) {
      Contacts.get(form)?.set({ isContactBlocked: this.isBlocked(wid) });
      Chats.get(form)?.set({ canSend: !this.isBlocked(wid) });
    }
  },
};
Contacts.find = async (wid) => contacts.of(createWid(String(wid)));

// The block list is the server's. An account whose list has numbers blocks the number, whichever model is given, but
// unblocks only the given id: unblocking the model with the LID leaves the number on the list.
const blocking = {
  async block({ contact }) {
    if (contact.isContactBlocked) return;
    const wid = contact.id.isLid() ? contact.phoneNumber || contact.id : contact.id;
    await comms.query({ type: "blocklist", wid: String(wid), action: "block" });
    contacts.block(wid);
  },
  async unblock(contact) {
    if (!contact.isContactBlocked) return;
    await comms.query({ type: "blocklist", wid: String(contact.id), action: "unblock" });
    if (Blocklist.get(contact.id)) Blocklist.remove(contact.id);
    contacts.blockChanged(contact.id);
  },
};

function presenceOf(wid) {
  const known = Presences.get(wid);
  if (known) return known;
  const chatstate = new Model({ id: wid, type: undefined, t: undefined });
  const ofThisLife = { isOnline: false, hasData: false, isSubscribed: false, isGroup: wid.isGroup(), isUser: wid.isUser(), chatstate };
  const presence = new PresenceModel({ id: wid }, ofThisLife);
  presence.subscribe = async () => { presence.set({ isSubscribed: true }); };
  Presences.add(presence);
  return presence;
}

// Formats a number as the page does, for the one country whose numbers the tests use.
function formattedNumber(wid) {
  const pn = wid.isLid() ? pnByLid.get(String(wid)) : wid;
  return pn ? `+${pn.user}`.replace(/^\+49(\d{4})(\d+)$/, "+49 $1 $2") : "";
}
const displayName = (contact) => contact.name || contact.pushname || formattedNumber(contact.id) || contact.id.user;

const ContactGetters = {
  getId: (c) => c.id, getName: (c) => c.name, getShortName: (c) => c.shortName, getPushname: (c) => c.pushname, getVerifiedName: (c) => c.verifiedName,
  getVerifiedLevel: () => undefined, getIsBusiness: (c) => c.isBusiness, getIsEnterprise: (c) => c.isEnterprise, getIsSmb: (c) => c.isSmb,
  getStatusMute: (c) => c.statusMute, getLabels: (c) => c.labels, getBusinessProfile: (c) => c.businessProfile, getNotifyName: (c) => c.pushname || "",
  getIsMe: (c) => c.id.isUser() && prefs.isMe(c.id), getIsUser: (c) => c.id.isUser(), getIsGroup: (c) => c.id.isGroup(), getIsBroadcast: (c) => c.id.isBroadcast(),
  getIsNewsletter: (c) => c.id.isNewsletter(), getIsBot: (c) => c.id.isBot(), getIsPSA: (c) => c.id.isPSA(), getIsIAS: () => false, getIsSupportAccount: () => false,
  getIsWAContact: (c) => c.type === "in", getUserid: (c) => c.id.user, getCanRequestPhoneNumber: () => false, getShowBusinessCheckmarkAsPrimary: () => false,
  getShowBusinessCheckmarkAsSecondary: () => false, getShowBusinessCheckmarkInChatlist: () => false, getIsDisplayNameApproved: () => false, getShouldForceBusinessUpdate: () => false,
};
const FrontendContactGetters = {
  getIsMyContact: (c) => Boolean(c.name), getDisplayName: displayName, getIsContactBlocked: (c) => c.isContactBlocked, getSearchName: (c) => c.name ?? null,
  getPhoneNumber: (c) => c.phoneNumber, getPnForLid: (c) => formattedNumber(c.id) || "Unknown number", getFormattedName: (c) => c.name || formattedNumber(c.id),
  getFormattedShortName: (c) => c.shortName || formattedNumber(c.id), getFormattedShortNameWithNonBreakingSpaces: (c) => (c.shortName || formattedNumber(c.id)).replaceAll(" ", "\u00a0"),
  getFormattedUser: (c) => formattedNumber(c.id), getTextStatusString: () => undefined, getBusinessProfile: (c) => c.businessProfile,
  getSearchVerifiedName: () => undefined, getHeader: (c) => c.name?.[0] ?? "~", getIsNonVerified: () => undefined,
};

// An account that is not a business has an empty profile.
const BusinessProfiles = new Collection(kind("businessProfile"));
BusinessProfiles.fetchBizProfile = async (wid) => {
  if (!BusinessProfiles.get(wid)) {
    const placeholder = { id: wid, dataSource: "placeholder", profileOptions: undefined, isProfileLocked: true, automatedType: "unknown" };
    BusinessProfiles.add(new BusinessProfiles.modelClass(placeholder));
  }
  return BusinessProfiles.get(wid);
};
BusinessProfiles.find = BusinessProfiles.fetchBizProfile;

function contactModules() {
  const orThrow = (get) => () => { const wid = get(); if (!wid) throw new Error("no me"); return wid; };
  const mePn = () => prefs.mePn();
  const meLid = () => prefs.meLid();
  const meLidDevice = () => {
    const wid = prefs.read("WALid");
    return wid ? createWid(wid) : undefined;
  };
  provide("WAWebUserPrefsMeUser", {
    getMaybeMeDeviceLid: meLidDevice, getMePnUserOrThrow_DO_NOT_USE: orThrow(mePn), getMeLidUserOrThrow: orThrow(meLid), getMeUser: orThrow(mePn), getMeDeviceLidOrThrow: orThrow(meLidDevice),
    getMeDevicePnOrThrow_DO_NOT_USE: orThrow(() => prefs.mePnDevice()), isMePnUser: (wid) => wid.equals(mePn()),
    isSerializedWidMe: (text) => prefs.isMe(createWid(text)), isMeDevice: (wid) => wid.equals(prefs.mePnDevice()) || wid.equals(meLidDevice()),
  });
  provide("WAWebContactCollection", { ContactCollection: Contacts, ContactCollectionImpl });
  provide("WAWebContactModel", { default: ContactModel }, ESM);
  provide("WAWebContactGetters", ContactGetters);
  provide("WAWebFrontendContactGetters", FrontendContactGetters);
  provide("WAWebBlocklistCollection", { BlocklistCollection: Blocklist });
  provide("WAWebBlocklistMigration", { isBlocklistMigrated: () => false });
  provide("WAWebBlockContactAction", { blockContact: blocking.block, unblockContact: blocking.unblock });
  provide("WAWebPresenceCollection", { PresenceCollection: Presences });
  provide("WAWebBusinessProfileCollection", { BusinessProfileCollection: BusinessProfiles });
  provide("WAWebBackendErrors", { ServerStatusCodeError });
  provide("WAWebMiscErrors", { ActionError, MediaDecryptionError, MediaHashMismatch });
  // No account here has a picture or an about text.
  provide("WAWebContactProfilePicThumbBridge", {
    requestProfilePicFromServer: async ({ id }) => ({ id: createWid(String(id)), tag: "", timestamp: Date.now(), eurlStale: false, stale: false }),
  });
  provide("WAWebContactStatusBridge", { getStatus: async ({ wid }) => ({ id: wid, stale: true, status: "" }) });
  provide("WAWebFindCommonGroupsContactAction", { findCommonGroups: async (contact) => {
    const common = new Collection(ChatModel);
    common.add(Chats.filter((chat) => chat.groupMetadata?.participants.get(contact.id) || chat.groupMetadata?.participants.get(contacts.other(contact.id))));
    return common;
  } });
}
