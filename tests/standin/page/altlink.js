// Linking by phone number. The page makes the code, and the server only forwards the phone's answer; there is no
// cryptography. The order of calls matters: each code needs a new initialisation, which discards the adv secret and
// thereby every QR.
const CODE_LETTERS = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"; // Crockford's, without 0
const MAX_PRIMARY_HELLOS = 3;
const LinkDeviceEvents = new Emitter();

class NoiseInfoIsNullError extends Error { constructor() { super("noise info is null"); this.name = "NoiseInfoIsNullError"; } }
class MissingCachedRefError extends Error { constructor() { super("missing cached ref"); this.name = "MissingCachedRefError"; } }
class CompanionHelloError extends Error {
  constructor(name) { super("companion hello failed"); this.name = "CompanionHelloError"; this.type = { name }; }
}

const alt = {
  type: "QR_CODE",
  stage: "NotStarted",
  code: null,
  ref: null,
  hellos: 0,

  setPairingType(type) { alt.type = type; },
  getPairingType: () => alt.type,
  async initializeAltDeviceLinking() {
    alt.clear("Initialized");
    prefs.advSecret = null;
  },
  async initializeQRLinking() {
    alt.clear("NotStarted");
    alt.type = "QR_CODE";
  },
  async startAltLinkingFlow(phone, showPushNotification) {
    if (alt.stage !== "Initialized") throw new Error("Minified invariant #75727");
    if (!prefs.noise) throw new NoiseInfoIsNullError();
    const code = Array.from(randomBytes(8), (byte) => CODE_LETTERS[byte % CODE_LETTERS.length]).join("");
    const answer = await comms.ask({ type: "companion-hello", phone, code, push: showPushNotification === true });
    if (answer.error) throw new CompanionHelloError(answer.error);
    if (!answer.ref) throw new MissingCachedRefError();
    Object.assign(alt, { code, ref: answer.ref, hellos: 0, stage: "AfterSendCompanionHello" });
    return code;
  },
  clear(stage) { Object.assign(alt, { stage, code: null, ref: null, hellos: 0 }); },

  // A phone has entered a code. A wrong code counts as a hello too, and only a few hellos are accepted.
  take(frame) {
    if (frame.type === "alt-refresh") {
      LinkDeviceEvents.trigger(frame.force ? "link_device_events:force_manual_refresh" : "link_device_events:refresh_alt_linking_code");
      return;
    }
    const refuse = (reason) => {
      comms.send({ type: "companion-finish", ref: frame.ref, error: reason });
      LinkDeviceEvents.trigger("link_device_events:error_alt_linking");
    };
    LinkDeviceEvents.trigger("link_device_events:primary_hello_received"); // whatever its outcome is
    alt.hellos += 1;
    if (alt.stage === "AfterSendCompanionFinish") {
      if (alt.hellos > MAX_PRIMARY_HELLOS) return refuse("MaxPrimaryHelloError");
      prefs.newAdvSecret();
      alt.stage = "AfterSendCompanionHello";
    }
    if (alt.stage !== "AfterSendCompanionHello") return refuse("Minified invariant #75728");
    if (!alt.ref) return refuse("MissingCachedRefError");
    if (frame.ref !== alt.ref) return refuse("InvalidRefError");
    alt.stage = "AfterSendCompanionFinish";
    if (frame.code !== alt.code) return comms.send({ type: "companion-finish", ref: frame.ref, error: "wrong code" });
    prefs.newAdvSecret(); // the shared secret; another batch of QR codes before the end would replace it
    comms.send({ type: "companion-finish", ref: frame.ref, adv: prefs.advSecret });
    return undefined;
  },
};

const AltDeviceLinking = {
  getPairingType: alt.getPairingType,
  setPairingType: alt.setPairingType,
  initializeAltDeviceLinking: alt.initializeAltDeviceLinking,
  initializeQRLinking: alt.initializeQRLinking,
  startAltLinkingFlow: alt.startAltLinkingFlow,
};
