// Previews of links. The phone makes them and may be off, so they are asked for before the message that they belong to, by a
// call of its own, and kept by the message's id: sending waits for nobody. A phone that has not answered twice is left
// alone for a while.

/**
 * What is used of WhatsApp Web here alone.
 * @typedef {{
 *   "WALinkify.findLink": (text: string) => { url: string } | null;
 *   "WAWebLinkPreviewChatAction.getLinkPreview": (
 *     link: { url: string },
 *     chat: Chat,
 *   ) => Promise<{ data?: Record<string, unknown> } | null | undefined>;
 * }} PreviewsModules
 */

const PREVIEW_WAIT = 3_000;
const PREVIEWS = 64;
const UNANSWERED = 2;
const LEFT_ALONE = 60_000;

/** @type {Map<string, Record<string, unknown>>} */
const previews = new Map();
let unanswered = 0;
let unansweredAt = 0;

/** @param {SendRequest} request */
async function preview({ id, chat: to, content }) {
  const link = content.kind === "text" && content.preview_links ? linkIn(content.body) : null;
  if (!link || (unanswered >= UNANSWERED && Date.now() - unansweredAt < LEFT_ALONE)) return;
  try {
    const chat = await openChat(wid(to));
    const late = sleep(PREVIEW_WAIT).then(() => "late");
    const found = await Promise.race([need("WAWebLinkPreviewChatAction.getLinkPreview")(link, chat), late]);
    if (typeof found === "string") {
      unanswered += 1;
      unansweredAt = Date.now();
      return;
    }
    unanswered = 0;
    if (found?.data) {
      if (previews.size >= PREVIEWS) dropOldest(previews);
      previews.set(id, found.data);
    }
  } catch {
    // No preview is no reason to send nothing.
  }
}
onCall("preview", preview);

/**
 * There is no link without a dot: most texts need no more than that look.
 * @param {string} body
 */
function linkIn(body) {
  try {
    return body.includes(".") && missing("link_preview").length === 0 ? need("WALinkify.findLink")(body) : null;
  } catch {
    return null;
  }
}
