// Starts several clients in one process, as a service built on this library does, and prints their events as lines of
// JSON with the time (milliseconds since the epoch). Ends when its standard input is closed.
import { create, options } from "./peer.mjs";

const args = options({ count: { type: "string" }, "data-path": { type: "string" } });
const say = (event, client, more) => console.log(JSON.stringify({ event, client, at: Date.now(), ...more }));
const clients = [];
// Attached before the linking, which may take long or fail.
process.stdin.resume().on("end", async () => {
  await Promise.allSettled(clients.map((client) => client.destroy()));
  process.exit(0);
});
for (let n = 1; n <= Number(args.count); n += 1) {
  const name = `s${n}`;
  const client = create(args, { dataPath: args["data-path"], clientId: name });
  clients.push(client);
  client.on("qr", (qr) => say("qr", name, { qr }));
  const ready = new Promise((resolve) => client.on("ready", resolve));
  client.initialize().catch((error) => say("failed", name, { error: String(error?.message ?? error) }));
  await ready;
  say("ready", name);
}
