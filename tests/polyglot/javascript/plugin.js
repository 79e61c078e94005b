// A validator and a notifier in JavaScript, for the tests of the plugin host and for `cargo xtask bench hooks`.
// `python/plugin.py` has the same rules.
//
// An instance serves one call: `configure` is called first in each.

import { compareAndSet, get } from "wharf:plugin/kv@0.1.0";
import { log } from "wharf:plugin/log@0.1.0";
import { get as secret } from "wharf:plugin/secrets@0.1.0";

const SCHEMA = {
  type: "object",
  additionalProperties: false,
  required: ["words"],
  properties: {
    words: { type: "array", items: { type: "string", minLength: 1 } },
    service: { type: "string" },
  },
};

let words = [];
let service = "";

export const lifecycle = {
  describe() {
    return {
      name: "in-javascript",
      version: "0.1.0",
      description: "Stops messages with a banned word, and reports messages that arrive.",
      configSchema: JSON.stringify(SCHEMA),
      events: ["message.received"],
    };
  },

  // Throws a list of issues, each with the JSON Pointer of the key that is wrong.
  configure(config) {
    const read = JSON.parse(config);
    words = read.words.map((word) => word.toLowerCase());
    service = read.service ?? "";
    const blank = words.findIndex((word) => word.trim() === "");
    if (blank >= 0) {
      throw [{ path: `/words/${blank}`, message: "must not be blank" }];
    }
  },
};

// The functions of an extension point, which write an exception that is not one of the contract's errors to standard
// error before it leaves: the bindings would put one of their own in its place, without its words and its stack.
function guarded(functions) {
  const leave = (error) => {
    if (error instanceof Error) {
      console.error(`${error}\n${error.stack}`);
    }
    throw error;
  };
  const guard = (run) => (...args) => {
    try {
      const answer = run(...args);
      return answer instanceof Promise ? answer.catch(leave) : answer;
    } catch (error) {
      return leave(error);
    }
  };
  return Object.fromEntries(Object.entries(functions).map(([name, run]) => [name, guard(run)]));
}

const ALLOW = { tag: "allow" };

function reject(code, reason) {
  return { tag: "reject", val: { code, reason } };
}

// What the tests ask for, by the first word of the message.
const COMMANDS = {
  shout(_, message, rest) {
    const content = { tag: "text", val: { ...message.content.val, body: rest.toUpperCase() } };
    return { tag: "modify", val: { ...message, content } };
  },

  // Counts its calls in the storage of the plugin.
  count() {
    const entry = get("count");
    const count = entry ? Number(new TextDecoder().decode(entry.value)) + 1 : 1;
    const written = compareAndSet("count", entry?.version, new TextEncoder().encode(String(count)), undefined);
    return reject("counted", `${count} ${written}`);
  },

  secret(_, __, name) {
    return reject("told", `${secret(name)?.length ?? "not granted"}`);
  },

  // An error of the plugin, which it returns.
  unavailable(_, __, what) {
    throw { tag: "unavailable", val: what };
  },

  // An error that nobody catches.
  crash(_, message) {
    message.content.val.nothing.at(0);
  },

  async ask(_, __, path) {
    const answer = await fetch(new URL(path, service), { method: "POST", body: "may I?" });
    return reject("answered", `${answer.status} ${await answer.text()}`);
  },
};

export const sendValidation = guarded({
  validate(context, message) {
    const body = message.content.tag === "text" ? message.content.val.body : "";
    const lower = body.toLowerCase();
    if (words.some((word) => lower.includes(word))) {
      log("info", "stopped a message", [["session", context.session]]);
      return reject("banned_word", "the message contains a banned word");
    }
    const [command, ...rest] = body.split(" ");
    if (Object.hasOwn(COMMANDS, command)) {
      return COMMANDS[command](context, message, rest.join(" "));
    }
    return ALLOW;
  },
});

export const eventNotification = guarded({
  route(_, envelope) {
    const { tag, val } = envelope.event;
    return tag === "message-received" && !val.fromMe ? ["service"] : [];
  },

  request(context, _, envelope) {
    const { sender, content } = envelope.event.val;
    const text = content.tag === "text" ? content.val.body : null;
    const body = JSON.stringify({ id: envelope.id, session: context.session, from: sender.chat, text });
    return {
      method: "POST",
      url: service,
      headers: [["content-type", "application/json"]],
      body: new TextEncoder().encode(body),
    };
  },

  judge(context, _, attempt) {
    if (attempt.tag === "answered" && attempt.val.status < 300) {
      return { tag: "delivered" };
    }
    if (attempt.tag === "answered" && attempt.val.status === 410) {
      return { tag: "give-up", val: "the service is gone" };
    }
    return { tag: "retry-after", val: 1000n * BigInt(context.attempt) };
  },
});
