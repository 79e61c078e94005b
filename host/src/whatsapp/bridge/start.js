// Waits for each wave of modules and subscribes once.
async function when(ready) {
  while (!safely(ready)()) await sleep(10);
}
async function start() {
  emit("hello");
  safely(restoreLogin)();
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
