// @SUMMARY@
//
// An instance serves one call: `configure` is called first in each.

import { log } from "wharf:plugin/log@0.2.0";

const SCHEMA = {
  type: "object",
  additionalProperties: false,
  required: ["words"],
  properties: { words: { type: "array", items: { type: "string", minLength: 1 } } },
};

let words = [];

// The text that a person reads first; kinds without one have none.
function bodyOf({ tag, val }) {
  switch (tag) {
    case "text":
      return val.body;
    case "edit":
      return val.text.body;
    default:
      return "";
  }
}

export const lifecycle = {
  describe() {
    return {
      name: "@NAME@",
      version: "0.1.0",
      description: "@SUMMARY@",
      configSchema: JSON.stringify(SCHEMA),
      events: [],
      extra: [],
    };
  },

  // Throws a list of issues, each with the JSON Pointer of the key that is wrong.
  configure(config) {
    words = JSON.parse(config).words.map((word) => word.toLowerCase());
    const blank = words.findIndex((word) => word.trim() === "");
    if (blank >= 0) {
      throw [{ path: `/words/${blank}`, message: "must not be blank" }];
    }
  },
};

export const sendValidation = {
  validate(context, message) {
    const body = bodyOf(message.content).toLowerCase();
    const banned = words.find((word) => body.includes(word));
    if (banned === undefined) {
      return { tag: "allow" };
    }
    log("info", "stopped a message", [["session", context.session]]);
    return { tag: "reject", val: { code: "banned_word", reason: "the message contains a banned word", extra: [] } };
  },
};
