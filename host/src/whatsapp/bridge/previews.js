// Previews of links. The phone makes them and may be off, so they are asked for before the message that they belong to, by a
// call of its own, and kept by the message's id: sending waits for nobody. A phone that has not answered twice is left
// alone for a while.
const PREVIEW_WAIT = 3_000;
const PREVIEWS = 64;
const UNANSWERED = 2;
const LEFT_ALONE = 60_000;

const previews = new Map();
let unanswered = 0;
let unansweredAt = 0;

async function preview({ id, chat: to, content }) {
  const link = content.kind === "text" && content.preview_links ? linkIn(content.body) : null;
  if (!link || (unanswered >= UNANSWERED && Date.now() - unansweredAt < LEFT_ALONE)) return {};
  const late = {};
  try {
    const chat = await openChat(wid(to));
    const found = await Promise.race([use("WAWebLinkPreviewChatAction.getLinkPreview")(link, chat), sleep(PREVIEW_WAIT).then(() => late)]);
    if (found === late) {
      unanswered += 1;
      unansweredAt = Date.now();
      return {};
    }
    unanswered = 0;
    if (found?.data) {
      if (previews.size >= PREVIEWS) previews.delete(previews.keys().next().value);
      previews.set(id, found.data);
    }
  } catch {
    // No preview is no reason to send nothing.
  }
  return {};
}
// There is no link without a dot: most texts need no more than that look.
function linkIn(body) {
  try {
    return body.includes(".") && missing("link_preview").length === 0 ? use("WALinkify.findLink")(body) : null;
  } catch {
    return null;
  }
}
