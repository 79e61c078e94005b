// Passkeys at linking ("Shortcake"), and the checkpoint that asks a linked account for one. Stages, events, time
// limits, caches and the effect of a failure are those of the real page. The key exchange with the phone is left out;
// the assertion is real and the server verifies it. The modules arrive late, as those of a lazily loaded screen do.
const SHORTCAKE_STEP = 120000;
const SHORTCAKE_CHUNK = 150;
const b64url = (buffer) => b64(buffer).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const unb64url = (text) => unb64(text.replace(/-/g, "+").replace(/_/g, "/"));

const passkey = {
  stage: "NotStarted",
  options: null, // {text, until}
  handoff: null, // {secret, until}: proves that the browser with the passkey is the one whose QR or code the phone has
  secret: null, // the adv secret of this ceremony; linking fails when another one has replaced it
  skip: false,
  code: null,
  timer: undefined,
  rules: null,

  take(frame) {
    switch (frame.type) {
      case "passkey-prologue-request": return this.prologue(frame);
      case "passkey-answer": {
        comms.asked.get(frame.request)?.resolve(frame);
        comms.asked.delete(frame.request);
        return undefined;
      }
      case "crsc-continuation": return this.continuation();
      case "ask-credential":
        navigator.credentials.get(frame.options)
          .then((found) => String(found?.type ?? null), (error) => error.name)
          .then((answer) => comms.send({ type: "credential-answer", answer }));
        return undefined;
      case "integrity-challenge": return checkpoint.open(frame.challenge);
      default: return undefined;
    }
  },

  prologue(frame) {
    if (this.stage !== "NotStarted") return;
    const now = Date.now();
    this.rules = frame;
    this.options = frame.options && { text: frame.options, until: now + frame.optionsTtl };
    // At a second request the current secret is that of the first one, which no phone has seen.
    this.handoff = prefs.advSecret && prefs.advSecret !== this.secret ? { secret: prefs.advSecret, until: now + frame.handoffTtl } : null;
    prefs.newAdvSecret();
    this.secret = prefs.advSecret;
    alt.setPairingType("SHORTCAKE_PASSKEY");
    setTimeout(() => {
      provide("WAWebShortcakeLinkingAction", ShortcakeAction);
      provide("WAWebShortcakeLinkingApi", ShortcakeApi);
    }, SHORTCAKE_CHUNK);
    passkeyScreen.prompt();
    LinkDeviceEvents.trigger("link_device_events:passkey_prologue_request");
  },

  async start() {
    if (this.stage !== "NotStarted") throw new Error("Minified invariant #78101");
    try {
      if (!this.options || this.options.until < Date.now()) {
        const answer = await comms.ask({ type: "passkey-options" });
        this.options = { text: answer.options, until: Date.now() + this.rules.optionsTtl };
      }
      const options = JSON.parse(this.options.text);
      const credential = await self.navigator.credentials.get({
        publicKey: {
          ...options,
          challenge: unb64url(options.challenge),
          allowCredentials: (options.allowCredentials || []).map((one) => ({ ...one, id: unb64url(one.id) })),
        },
      });
      if (!credential) throw new Error("no credential");
      if (credential.type !== "public-key") throw new Error("not a public key credential");
      const isWhole = credential instanceof PublicKeyCredential && credential instanceof Credential && credential.response instanceof AuthenticatorAssertionResponse;
      comms.send({ type: "passkey-looks", looks: `${credential} ${isWhole} ${Object.hasOwn(navigator.credentials, "get")}` });
      const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
      const assertion = {
        id: credential.id, rawId: b64url(credential.rawId), type: credential.type,
        response: {
          clientDataJSON: b64url(clientDataJSON), authenticatorData: b64url(authenticatorData), signature: b64url(signature),
          userHandle: userHandle ? b64url(userHandle) : null,
        },
      };
      this.stage = "Initialized";
      const { ref } = await comms.ask({ type: "passkey-ref" });
      const proof = this.handoff && this.handoff.until > Date.now() ? this.handoff.secret : null;
      this.skip = proof !== null;
      const answer = await comms.ask({ type: "passkey-prologue", ref, credentialId: credential.id, assertion, proof });
      if (answer.error) throw new Error(answer.error);
      this.stage = "WaitingForPrimaryIdentity";
      this.wait();
      passkeyScreen.waiting();
      LinkDeviceEvents.trigger("link_device_events:shortcake_prologue_sent");
    } catch (error) {
      this.fail("server_error", error);
    }
  },
  continuation() {
    if (this.stage !== "WaitingForPrimaryIdentity") return;
    this.stage = "WaitingForVerificationCodeConfirmation";
    this.code = Array.from(randomBytes(8), (byte) => CODE_LETTERS[byte % CODE_LETTERS.length]).join("");
    comms.send({ type: "passkey-code", code: this.code });
    this.wait();
    passkeyScreen.code(this.code);
    if (!this.rules.passSkip) return void LinkDeviceEvents.trigger("link_device_events:shortcake_verification_code_ready", this.code);
    LinkDeviceEvents.trigger("link_device_events:shortcake_verification_code_ready", this.code, this.skip);
    if (this.skip) setTimeout(() => this.confirm(), 0);
  },
  confirm() {
    if (this.stage !== "WaitingForVerificationCodeConfirmation") throw new Error("Minified invariant #78102");
    this.stage = "WaitingForPairingCompletion";
    this.wait();
    comms.send({ type: "passkey-pair", adv: this.secret });
  },
  cancel() {
    this.end();
    this.secret = null;
    alt.setPairingType("QR_CODE");
    passkeyScreen.close();
  },

  wait() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fail("timeout", new Error(`timeout in ${this.stage}`)), SHORTCAKE_STEP * site.clock);
  },
  // Drops what a second attempt must request again: the options and the hand-off key.
  end() {
    clearTimeout(this.timer);
    Object.assign(this, { stage: "NotStarted", options: null, handoff: null, skip: false, code: null });
  },
  fail(reason, error) {
    this.end();
    if (this.secret) passkeyScreen.prompt();
    navigator.sendBeacon("/report", JSON.stringify({ message: `shortcake: ${error && error.message}` }));
    LinkDeviceEvents.trigger("link_device_events:shortcake_error", reason);
  },
};
Socket.on("change:state", (_, state) => {
  if (state === "CONNECTED") { passkey.end(); passkey.secret = null; passkeyScreen.close(); }
});

const ShortcakeAction = {
  startShortcakePasskeyPairing: () => passkey.start(),
  confirmShortcakeVerificationCode: () => passkey.confirm(),
  cancelShortcakePasskeyPairing: () => passkey.cancel(),
};
const ShortcakeApi = {
  ShortcakeLinkingStage: Object.fromEntries(
    ["NotStarted", "Initialized", "WaitingForPrimaryIdentity", "WaitingForVerificationCodeConfirmation", "WaitingForPairingCompletion"].map((name) => [name, name])),
  getShortcakeLinkingStage: () => passkey.stage,
  getVerificationCode: () => passkey.code,
};

// The passkey screen, which covers the page.
const passkeyScreen = {
  show(card, ...content) {
    this.close();
    const box = document.createElement("div");
    box.id = "shortcake";
    card.append(...content);
    box.append(card);
    document.body.append(box);
  },
  part(tag, testid, text) {
    const part = document.createElement(tag);
    if (testid) part.setAttribute("data-testid", testid);
    part.textContent = text || "";
    return part;
  },
  button(testid, text, press) {
    const button = this.part("button", testid, text);
    button.addEventListener("click", press);
    return button;
  },
  prompt() { this.show(this.part("div", "shortcake_passkey_prompt_card"), this.button(null, "Continue", () => passkey.start())); },
  waiting() { this.show(this.part("div", "shortcake_waiting_for_phone_card"), this.button("shortcake_cancel_button", "Cancel", () => passkey.cancel())); },
  code(code) {
    const display = this.part("div", "shortcake_verification_code_display", code);
    display.setAttribute("aria-label", code);
    this.show(this.part("div", "shortcake_code_matching_card"), display, this.button(null, "Confirm", () => passkey.confirm()));
  },
  close() { document.getElementById("shortcake")?.remove(); },
};

// A dialog that blocks a linked page until the passkey was used. Its other button ends the login.
const checkpoint = {
  open(challenge) {
    provide("WAWebIntegrityChallengeUtils", { performPasskeyAssertion: (text) => this.assert(text) });
    const modal = document.createElement("div");
    modal.setAttribute("data-animate-modal-popup", "true");
    const icon = (name) => {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
      title.textContent = name;
      svg.append(title);
      return svg;
    };
    const go = passkeyScreen.part("button");
    go.append("Continue", icon("ic-arrow-forward"));
    go.addEventListener("click", async () => {
      go.disabled = true;
      try {
        const value = await comms.query({ type: "integrity-response", response: await this.assert(challenge) });
        if (value.success !== true) throw new Error("Server rejected challenge response");
        modal.remove();
      } catch (error) {
        go.disabled = false;
        navigator.sendBeacon("/report", JSON.stringify({ message: `integrity-challenge: ${error && error.message}` }));
      }
    });
    const out = passkeyScreen.part("button");
    out.append(icon("ic-logout"), "Log out");
    out.addEventListener("click", () => Socket.logout());
    modal.append(go, out);
    document.body.append(modal);
  },
  async assert(challenge) {
    const credential = await navigator.credentials.get({
      publicKey: {
        challenge: unb64url(challenge), rpId: "whatsapp.com", userVerification: "preferred", timeout: 600000,
        extensions: { prf: { eval: { first: new TextEncoder().encode("whatsapp-challenge") } } },
      },
    });
    if (!credential) throw new Error("No credential returned from WebAuthn API");
    const prf = credential.getClientExtensionResults().prf?.results?.first;
    const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
    return {
      credential_id: credential.id, raw_id: b64url(credential.rawId), type: credential.type, authenticator_data: b64url(authenticatorData),
      client_data_json: b64url(clientDataJSON), signature: b64url(signature), user_handle: userHandle ? b64url(userHandle) : "",
      prf_output: prf ? b64url(prf) : null,
    };
  },
};
