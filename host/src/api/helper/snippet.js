// Signs WhatsApp's challenge with your passkey and sends the result to your gateway.
// It reads nothing else on this page and contacts no other address.
(() => {
  const gateway = "{ADDRESS}";
  const options = {OPTIONS};
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  options.challenge = bytes(options.challenge);
  for (const one of options.allowCredentials ?? []) one.id = bytes(one.id);
  const prf = options.extensions?.prf?.eval;
  for (const name in prf ?? {}) prf[name] = bytes(prf[name]);

  const button = document.createElement("button");
  button.id = "wharf-sign";
  button.textContent = "Use my passkey for the gateway";
  const size = { width: "22em", height: "7em", font: "18px sans-serif" };
  Object.assign(button.style, size, { position: "fixed", inset: "0", margin: "auto", zIndex: "2147483647" });
  button.onclick = async () => {
    try {
      const credential = await navigator.credentials.get({ publicKey: options });
      const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
      const first = credential.getClientExtensionResults().prf?.results?.first;
      const json = JSON.stringify({
        id: credential.id,
        rawId: text(credential.rawId),
        type: credential.type,
        authenticatorAttachment: credential.authenticatorAttachment,
        response: {
          clientDataJSON: text(clientDataJSON),
          authenticatorData: text(authenticatorData),
          signature: text(signature),
          userHandle: userHandle ? text(userHandle) : null,
        },
        clientExtensionResults: first ? { prf: { results: { first: text(first) } } } : {},
      });
      console.log(json); // if the gateway does not open by itself: copy this line into its text field
      navigator.clipboard?.writeText(json).catch(() => {});
      location.assign(gateway + "#a=" + text(new TextEncoder().encode(json)));
    } catch (error) {
      button.textContent = "No passkey: " + error.message + " Press to try again.";
    }
  };
  document.body.append(button);
})();
