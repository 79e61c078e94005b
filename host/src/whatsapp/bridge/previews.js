// Previews of links. The phone makes them and may be offline, so a preview is requested by a call
// of its own before the message is sent, and kept under the id of the message: sending never waits
// for it. A phone that has not answered twice is not asked for a while.

/**
 * The parts of WhatsApp Web that only this file uses.
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
    // A message is sent without its preview if there is none.
  }
}
onCall("preview", preview);

/**
 * The link in a text. A link contains a dot, so most texts need no further check.
 * @param {string} body
 */
function linkIn(body) {
  try {
    return body.includes(".") && missing("link_preview").length === 0 ? need("WALinkify.findLink")(body) : null;
  } catch {
    return null;
  }
}
