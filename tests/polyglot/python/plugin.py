"""A validator and a notifier in Python, for the tests of the plugin host and for `cargo xtask bench hooks`.

`javascript/plugin.js` has the same rules.
"""

import json
from dataclasses import replace
from urllib.parse import urlsplit

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.event_notification import (
    AttemptResult,
    AttemptResult_Answered,
    Envelope,
    Event_MessageReceived,
    HttpRequest,
    Judgement,
    Judgement_Delivered,
    Judgement_GiveUp,
    Judgement_RetryAfter,
)
from wit_world.exports.lifecycle import ConfigIssue, PluginInfo
from wit_world.exports.send_validation import (
    Rejection,
    Verdict,
    Verdict_Allow,
    Verdict_Modify,
    Verdict_Reject,
)
from wit_world.imports import kv, log, outgoing_handler, secrets
from wit_world.imports.calls import CallContext, Error_Unavailable
from wit_world.imports.messages import Content_Text, OutboundMessage
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields,
    IncomingResponse,
    Method_Post,
    OutgoingBody,
    OutgoingRequest,
    Scheme_Http,
)

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["words"],
    "properties": {
        "words": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "service": {"type": "string"},
    },
}

# An instance serves one call: `configure` is called first in each.
WORDS: list[str] = []
SERVICE = ""


class Lifecycle(exports.Lifecycle):
    def describe(self) -> PluginInfo:
        return PluginInfo(
            "in-python",
            "0.1.0",
            "Stops messages with a banned word, and reports messages that arrive.",
            json.dumps(SCHEMA),
            ["message.received"],
        )

    # Raises a list of issues, each with the JSON Pointer of the key that is wrong.
    def configure(self, config: str) -> None:
        global SERVICE
        read = json.loads(config)
        SERVICE = read.get("service", "")
        WORDS[:] = [word.lower() for word in read["words"]]
        issues = [ConfigIssue(f"/words/{n}", "must not be blank") for n, word in enumerate(WORDS) if not word.strip()]
        if issues:
            raise Err(issues)


def reject(code: str, reason: str) -> Verdict:
    return Verdict_Reject(Rejection(code, reason, None))


# What the tests ask for, by the first word of the message.


def shout(message: OutboundMessage, rest: str) -> Verdict:
    text = replace(message.content.value, body=rest.upper())
    return Verdict_Modify(replace(message, content=Content_Text(text)))


def count(_: OutboundMessage, __: str) -> Verdict:
    """Counts its calls in the storage of the plugin."""
    entry = kv.get("count")
    counted = int(entry.value) + 1 if entry else 1
    written = kv.compare_and_set("count", entry.version if entry else None, str(counted).encode(), None)
    return reject("counted", f"{counted} {str(written).lower()}")


def secret(_: OutboundMessage, name: str) -> Verdict:
    value = secrets.get(name)
    return reject("told", "not granted" if value is None else str(len(value)))


def unavailable(_: OutboundMessage, what: str) -> Verdict:
    """An error of the plugin, which it returns."""
    raise Err(Error_Unavailable(what))


def crash(message: OutboundMessage, _: str) -> Verdict:
    """An error that nobody catches."""
    return message.content.value.nothing[0]


def ask(_: OutboundMessage, path: str) -> Verdict:
    """Asks the service, with WASI's HTTP client."""
    request = OutgoingRequest(Fields.from_list([("content-length", b"6")]))
    request.set_method(Method_Post())
    request.set_scheme(Scheme_Http())
    request.set_authority(urlsplit(SERVICE).netloc)
    request.set_path_with_query(path)
    body = request.body()
    future = outgoing_handler.handle(request, None)
    with body.write() as stream:
        stream.blocking_write_and_flush(b"may I?")
    OutgoingBody.finish(body, None)
    with future.subscribe() as answered:
        answered.block()
    response = future.get().value.value
    return reject("answered", f"{response.status()} {read(response)}")


def read(response: IncomingResponse) -> str:
    parts = []
    with response.consume() as body, body.stream() as stream:
        while True:
            try:
                parts.append(stream.blocking_read(1 << 16))
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return b"".join(parts).decode()
                raise


COMMANDS = {command.__name__: command for command in (shout, count, secret, unavailable, crash, ask)}


class SendValidation(exports.SendValidation):
    def validate(self, ctx: CallContext, message: OutboundMessage) -> Verdict:
        body = message.content.value.body if isinstance(message.content, Content_Text) else ""
        lower = body.lower()
        if any(word in lower for word in WORDS):
            log.log(log.Level.INFO, "stopped a message", [("session", ctx.session)])
            return reject("banned_word", "the message contains a banned word")
        command, _, rest = body.partition(" ")
        if command in COMMANDS:
            return COMMANDS[command](message, rest)
        return Verdict_Allow()


class EventNotification(exports.EventNotification):
    def route(self, _: CallContext, envelope: Envelope) -> list[str]:
        match envelope.event:
            case Event_MessageReceived(message) if not message.from_me:
                return ["service"]
        return []

    def request(self, ctx: CallContext, _: str, envelope: Envelope) -> HttpRequest:
        message = envelope.event.value
        text = message.content.value.body if isinstance(message.content, Content_Text) else None
        body = {"id": envelope.id, "session": ctx.session, "from": message.sender.chat, "text": text}
        headers = [("content-type", "application/json")]
        return HttpRequest("POST", SERVICE, headers, json.dumps(body).encode(), None)

    def judge(self, ctx: CallContext, _: str, attempt: AttemptResult) -> Judgement:
        match attempt:
            case AttemptResult_Answered(answer) if answer.status < 300:
                return Judgement_Delivered()
            case AttemptResult_Answered(answer) if answer.status == 410:
                return Judgement_GiveUp("the service is gone")
        return Judgement_RetryAfter(1000 * ctx.attempt)
