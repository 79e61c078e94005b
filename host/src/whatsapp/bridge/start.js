// Waits for each wave of modules and subscribes once.
async function when(ready) {
  while (!safely(ready)()) await sleep(10);
}
// The page says only once, and within milliseconds of its start, that its databases cannot be opened: between two of
// its tasks there is time to listen, between two timers there may not be.
async function watchStorage() {
  const channel = new MessageChannel();
  const turn = () => new Promise((resolve) => { channel.port1.onmessage = resolve; channel.port2.postMessage(0); });
  await when(() => typeof window.require === "function");
  for (const end = Date.now() + 500; Date.now() < end && safely(bus)() === undefined;) await turn();
  channel.port1.close();
  await when(bus);
  bus().on("storage_initialization_error", safely(() => loggedOut("its storage cannot be used (is the disk full?)")));
}
const bus = () => use("WAWebBackendEventBus.BackendEventBus");
async function start() {
  emit("hello");
  safely(restoreLogin)();
  safely(watchStorage)();
  await when(() => window.Debug?.VERSION && missing("link").length === 0);
  watchStatus();
  watchQr();
  watchPairing();
  await when(() => missing("inbound").length === 0);
  watchMessages();
  planStatus();
}
Object.defineProperty(window, "__wharf", { value: Object.freeze({ call }), enumerable: false });
start().catch(() => {});
