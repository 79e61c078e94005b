// Links with unmodified whatsapp-web.js and stops it cleanly, which leaves a LocalAuth login behind.
import { create, end, link, options, step } from "./peer.mjs";

const args = options({ "data-path": { type: "string" }, "client-id": { type: "string" } });
const client = create(args, { dataPath: args["data-path"], clientId: args["client-id"] });
let failure;
try {
  await link(args, client);
} catch (error) {
  failure = error;
} finally {
  await step("stop", client.destroy()).catch((error) => { failure ??= error; });
}
end(failure);
