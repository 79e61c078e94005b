// The rule in a worker thread of Node: `{"calls": n, "text": …}` on standard input has the message posted n times to the
// worker, and its verdict awaited; the answer is a list of microseconds.

import { createInterface } from "node:readline";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: JSON.parse(process.argv[2]) });
  const ask = (message) =>
    new Promise((resolve) => {
      worker.once("message", resolve);
      worker.postMessage(message);
    });
  for await (const line of createInterface({ input: process.stdin })) {
    const { calls, text } = JSON.parse(line);
    const took = [];
    for (let n = 0; n < calls; n++) {
      const began = process.hrtime.bigint();
      const { tag } = await ask({ to: "4915123456789@c.us", text });
      took.push(Number(process.hrtime.bigint() - began) / 1000);
      if (tag !== "allow") {
        throw new Error(`the message is not allowed: ${tag}`);
      }
    }
    console.log(JSON.stringify(took));
  }
  await worker.terminate();
} else {
  parentPort.on("message", ({ text }) => {
    const lower = text.toLowerCase();
    const banned = workerData.some((word) => lower.includes(word));
    parentPort.postMessage(banned ? { tag: "reject", code: "banned_word" } : { tag: "allow" });
  });
}
