
"use strict";
const part = (id) => document.getElementById(id);
const here = location.pathname;
let shownSnippet = null;
let code = null;
let over = false;

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
function aboutCode(secondsWithout) {
  if (secondsWithout > 0) return ` Within ${clock(secondsWithout)} no code has to be compared.`;
  return " A code will have to be compared with the phone's.";
}
const words = ({ stage, purpose, reason, secondsLeft, secondsWithoutCode }) => {
  switch (stage) {
    case "asked": return `${reason ? `${reason}. ` : ""}Waiting for WhatsApp's challenge …`;
    case "signing":
      return `${reason ? `${reason}. ` : ""}${clock(secondsLeft)} left to sign.${purpose === "link" ? aboutCode(secondsWithoutCode) : ""}`;
    case "phone": return `Sent. Waiting for the phone: keep WhatsApp open on it (${clock(secondsLeft)}).`;
    case "confirm": return `The phone shows a code (${clock(secondsLeft)} left).`;
    case "finishing": return "WhatsApp completes the linking …";
    case "failed": return `Failed: ${reason}.`;
    case "done": return reason === "linked" ? "Linked. You can close this page." : `Finished: ${reason}.`;
    default: return stage;
  }
};
function say(error) {
  part("error").hidden = !error;
  part("error").textContent = error ?? "";
}
function show(state) {
  part("status").textContent = words(state);
  part("sign").hidden = state.stage !== "signing";
  part("compare").hidden = state.stage !== "confirm";
  code = state.code;
  part("code").textContent = code ?? "";
  if (state.snippet && state.snippet !== shownSnippet) {
    shownSnippet = state.snippet;
    const text = state.snippet.replace("{ADDRESS}", location.origin + here);
    part("snippet").textContent = text;
    part("bookmark").href = `javascript:${encodeURIComponent(text)}`;
  }
  over = state.stage === "done";
}

async function call(path, body) {
  say(null);
  try {
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" }, body });
    const answer = await response.json();
    if (response.ok) show(answer);
    else say(answer.detail ?? answer.message);
  } catch {
    say("The gateway does not answer.");
  }
}
async function look() {
  try {
    const response = await fetch(here, { headers: { Accept: "application/json" } });
    const state = await response.json();
    if (response.ok) show(state);
    else {
      over = response.status === 404;
      part("status").textContent = state.detail ?? state.message;
      part("sign").hidden = part("compare").hidden = true;
    }
  } catch {
    part("status").textContent = "The gateway does not answer; trying again …";
  }
  if (!over) setTimeout(look, 2000);
}

part("copy").addEventListener("click", () => {
  const range = document.createRange();
  range.selectNodeContents(part("snippet"));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  navigator.clipboard?.writeText(part("snippet").textContent).catch(() => {});
});
part("send").addEventListener("click", () => call(here, part("answer").value.trim()));
part("same").addEventListener("click", () => call(`${here}/confirm`, JSON.stringify({ code, same: true })));
part("different").addEventListener("click", () => call(`${here}/confirm`, JSON.stringify({ code, same: false })));

// The assertion in the fragment of the address, with which the browser returns. It is removed from the address at once.
const brought = location.hash.startsWith("#a=") ? location.hash.slice(3) : null;
if (brought) {
  history.replaceState(null, "", here);
  try {
    const json = new TextDecoder().decode(Uint8Array.from(atob(brought.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)));
    part("status").textContent = "Sending the signature to WhatsApp …";
    call(here, json).then(look);
  } catch {
    say("The answer of the browser cannot be read. Paste what the console shows.");
    look();
  }
} else {
  look();
}
