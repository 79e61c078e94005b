// Reads the messages of a chat from the database: rows beyond the anchor, oldest first, in the order of their arrival.
// It changes neither the memory nor the read state.
const rowIds = new WeakMap();
let lastRow = 0;
function rowId(msg) {
  if (msg.rowId) return msg.rowId;
  if (!rowIds.has(msg)) rowIds.set(msg, (lastRow = Math.max(lastRow + 1, Date.now() * 1000)));
  return rowIds.get(msg);
}
const history = {
  async find({ anchor, count = 20 }, direction) {
    if (site.historyDelay > 0) await Promise.race([db.destroyed, new Promise((done) => setTimeout(done, site.historyDelay))]);
    const rows = (await db.all("model-storage", "message")).filter((r) => r.chat === String(anchor.remote));
    rows.sort((a, b) => a.rowId - b.rowId);
    if (!(anchor instanceof MsgKey)) {
      // Starts at the newest message; a string is not an anchor and finds nothing.
      return { status: 200, messages: typeof anchor === "object" && direction === "before" ? rows.slice(-count).map(fromRow) : [] };
    }
    const at = rows.findIndex((r) => r.id === String(anchor));
    if (at < 0) return { status: 404, messages: [] };
    const found = direction === "before" ? rows.slice(0, at).slice(-count) : rows.slice(at + 1).slice(0, count);
    return { status: 200, messages: found.map(fromRow) };
  },
};

function historyModules() {
  provide("WAWebDBMessageFindLocal", {
    msgFindBefore: (asked) => history.find(asked, "before"), msgFindAfter: (asked) => history.find(asked, "after"), msgFindByDirection: ({ direction, ...asked }) => history.find(asked, direction),
    msgFindMedia: notPlayed("WAWebDBMessageFindLocal", "msgFindMedia"), msgFindStarred: notPlayed("WAWebDBMessageFindLocal", "msgFindStarred"),
    msgFindSearch: notPlayed("WAWebDBMessageFindLocal", "msgFindSearch"), msgFindCallLog: notPlayed("WAWebDBMessageFindLocal", "msgFindCallLog"),
    msgFindEvents: notPlayed("WAWebDBMessageFindLocal", "msgFindEvents"), queryMessageType: notPlayed("WAWebDBMessageFindLocal", "queryMessageType"),
  });
}
