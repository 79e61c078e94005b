// Waits for each wave of modules and then subscribes once.

/** @param {() => unknown} ready */
async function when(ready) {
  while (!attempt(ready)) await sleep(10);
}
// The page reports only once, and within milliseconds of its start, that its databases cannot be
// opened. The load event of a script fires before anything that the script has begun can continue,
// so no report is missed between two checks.
async function watchStorage() {
  let heard = false;
  const hear = safely(() => {
    const events = bus();
    if (heard || events === undefined) return;
    heard = true;
    document.removeEventListener("load", hear, true);
    events.on("storage_initialization_error", safely(() => loggedOut("its storage cannot be used (is the disk full?)")));
  });
  document.addEventListener("load", hear, true);
  await when(() => {
    hear();
    return heard;
  });
}
const bus = () => use("WAWebBackendEventBus.BackendEventBus");

/**
 * What cannot be watched in this build is a fault. The rest is watched all the same: a session that becomes ready and never
 * receives would look healthy.
 * @param {() => void} watch
 */
const begin = (watch) => safely(watch, `starting ${watch.name}`)();

async function start() {
  emit("hello");
  safely(restoreLogin)();
  safely(watchStorage)();
  await when(() => window.Debug?.VERSION && missing("link").length === 0);
  for (const watch of [watchStatus, watchQr, watchPairing, watchPasskey]) begin(watch);
  await when(() => missing("inbound").length === 0);
  begin(watchMessages);
  planStatus();
}
Object.defineProperty(window, "__wharf", { value: Object.freeze({ call }), enumerable: false });
start().catch((error) => fault("starting", error));
