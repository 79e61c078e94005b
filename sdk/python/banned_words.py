"""A validator in Python: it stops messages that contain a banned word.

Built by componentize-py against the contract in `wit/v0.2`; docs/plugins/languages.md describes how.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import ConfigIssue, PluginInfo
from wit_world.exports.send_validation import Rejection, Verdict, Verdict_Allow, Verdict_Reject
from wit_world.imports import log
from wit_world.imports.calls import CallContext
from wit_world.imports.messages import Content_Edit, Content_Text, OutboundMessage

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["words"],
    "properties": {"words": {"type": "array", "items": {"type": "string", "minLength": 1}}},
}

# An instance serves one call: `configure` is called first in each.
WORDS: list[str] = []


class Lifecycle(exports.Lifecycle):
    def describe(self) -> PluginInfo:
        return PluginInfo("banned-words", "0.1.0", "Stops messages that contain a banned word.", json.dumps(SCHEMA), [], [])

    def configure(self, config: str) -> None:
        words = json.loads(config)["words"]
        issues = [ConfigIssue(f"/words/{n}", "must not be blank") for n, word in enumerate(words) if not word.strip()]
        if issues:
            raise Err(issues)
        WORDS[:] = [word.casefold() for word in words]


class SendValidation(exports.SendValidation):
    def validate(self, ctx: CallContext, message: OutboundMessage) -> Verdict:
        match message.content:
            case Content_Text(text):
                body = text.body
            case Content_Edit(edit):
                body = edit.text.body
            case _:
                return Verdict_Allow()
        if any(word in body.casefold() for word in WORDS):
            log.log(log.Level.INFO, "stopped a message", [("words", str(len(WORDS)))])
            return Verdict_Reject(Rejection("banned_word", "the message contains a banned word", None, []))
        return Verdict_Allow()
