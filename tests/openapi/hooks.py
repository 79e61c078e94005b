"""Supplies generated calls with ids and values for which they can succeed.

A generated id does not exist, and a generated text is not a phone number, so most valid calls would be answered 404 or 400
before the gateway looks at the rest. Therefore four of five valid calls get the id of an object that `wharf-openapi` has
prepared (the file `WHARF_THINGS`) and meaningful values. The fifth call is not changed, to test the answers for ids that do
not exist.

No call is dropped: one that would stop, delete or pause a session that other calls rely on is made for the session `spare`
instead. The statuses of the answers are counted by operation and written to the file `WHARF_MET` at the end.
"""

import atexit
import json
import os
from collections import Counter, defaultdict
from pathlib import Path

import schemathesis
from schemathesis.core.parameters import ParameterLocation

THINGS = json.loads(Path(os.environ["WHARF_THINGS"]).read_text())
SESSION = THINGS["session"]

# A plugin on which no other call relies.
PLUGIN = "number-policy"
PROTECTED = {"default", "unlinked"}
SPARE = "spare"

ON_SPARE = {
    "startSession",
    "stopSession",
    "restartSession",
    "reconnectSession",
    "logoutSession",
    "deleteSession",
    "pauseSending",
    "seedReconnect",
}
# Each of these calls starts a Chromium, and they differ only in their id. After a few calls the id is one that does not
# exist.
STARTS = {"startSession", "restartSession", "reconnectSession", "seedReconnect"}
FEW = 3
NOBODY = "nobody"

# Ids by operation, or by the beginning of the path. Other calls get the session of the run.
OF_OPERATION = {
    "deleteSession": THINGS["deletable"],
    # A session that is linked has no QR.
    "getSessionQr": ["unlinked"],
    "seedGetQr": ["unlinked", SESSION],
    "cancelMessage": THINGS["waiting"],
    "retryMessage": THINGS["ended"],
    "retryDelivery": THINGS["dead"],
    "purgeDelivery": THINGS["purged"],
} | {operation: [SPARE] for operation in ON_SPARE - {"deleteSession"}}
OF_PATH = {
    "/v1/messages/": THINGS["messages"],
    "/v1/bulk/": THINGS["orders"],
    "/v1/deliveries/": THINGS["deliveries"],
    "/v1/plugins/": THINGS["plugins"],
    "/passkey/": THINGS["tokens"],
    "/docs/": ["start.js", "page.css", "swagger-ui.css", "licence.txt"],
}

# Parameters that replace generated ones in every valid call, so that it leaves alone what other calls rely on.
QUERIES = {
    "purgeMessages": {"session": SPARE, "state": "queued"},
    "purgeDeliveries": {"until": str(THINGS["before"]), "state": "dead"},
    "retryDeliveries": {"until": str(THINGS["before"])},
    "listPluginKeys": {"shared": "true"},
    "getPluginKey": {"shared": "true", "key": THINGS["kept"]},
    "setPluginKey": {"shared": "true", "key": THINGS["kept"]},
    "deletePluginKey": {"shared": "true", "key": THINGS["gone"]},
}
# Parameters of a list, or of another namespace, which these calls refuse.
OF_A_LIST = {"purgeDeliveries": ("limit", "cursor"), "retryDeliveries": ("limit", "cursor")} | dict.fromkeys(
    ("listPluginKeys", "getPluginKey", "setPluginKey", "deletePluginKey"), ("session",)
)

# Fields that replace generated ones in the body.
NUMBER = THINGS["number"]
BODIES = {
    "sendMessage": {"to": NUMBER},
    "seedSend": {"number": NUMBER, "clientId": SESSION},
    "createBulkOrder": {"session": SESSION, "recipients": [{"to": NUMBER}]},
    "createPairingCode": {"number": NUMBER},
    "seedCreatePairingCode": {"number": NUMBER, "clientId": SESSION},
    # Codes that differ would cancel the ceremony.
    "helperConfirmPasskey": {"same": True},
    # Each session that starts would run another Chromium.
    "createSession": {"start": False},
    "setPluginKey": {"text": "generated", "base64": None, "ifVersion": None},
}
# The name of the text field in calls that send.
TEXT = {"sendMessage": "text", "seedSend": "message", "createBulkOrder": "text"}

# The sessions that generated calls have created.
made = set()
# The number of valid calls so far, by operation. Only this number determines what a call gets, so every run is the same.
calls = Counter()
met = defaultdict(Counter)


def is_valid(case, location):
    return not case.meta.is_negative_at(location)


def is_left(turn):
    """Whether the call is not changed."""
    return turn % 5 == 4


def follows(case, value):
    """Whether the id comes from an earlier answer of the same scenario."""
    sessions = case.path.startswith("/v1/sessions/")
    known = value in made if sessions else str(value).startswith(("out_", "bulk_", "dlv_"))
    return known and case.meta.phase.name == "stateful"


def thing(case, operation, turn):
    """The id of an object that exists, for this call."""
    if operation in STARTS and turn >= FEW:
        return NOBODY
    if operation == "cancelPasskey" and case.meta.phase.name in ("examples", "coverage"):
        # Cancelling ends the ceremony for all calls, so it is left to the later phases.
        return SPARE
    if operation == "logoutSession" and SESSION == "unlinked" and turn == 0:
        # In the last run no other call relies on the linked session.
        return "default"
    of_path = (ids for start, ids in OF_PATH.items() if case.path.startswith(start))
    ids = OF_OPERATION.get(operation) or next(of_path, [SESSION])
    return ids[turn % len(ids)]


def give_id(case, operation, turn):
    given = dict(case.path_parameters)
    # Most paths have one parameter. The name of a plugin is beside the id of a session, or alone.
    plugin = {"name": PLUGIN} if "name" in given and not is_left(turn) else {}
    ids = {name: value for name, value in given.items() if name != "name"}
    for name, value in ids.items():
        if operation in STARTS or not (is_left(turn) or follows(case, value)):
            given[name] = thing(case, operation, turn)
    case.path_parameters = given | plugin


def give_query(case, operation, turn):
    query = dict(case.query)
    # Without a session, these calls would be about the default one.
    named = {"clientId"} if operation in ("seedGetQr", "seedReconnect") else {"session", "clientId"} & query.keys()
    if operation in STARTS or not is_left(turn):
        query |= dict.fromkeys(named, thing(case, operation, turn))
    query |= QUERIES.get(operation, {})
    for name in OF_A_LIST.get(operation, ()):
        query.pop(name, None)
    if query != case.query:
        case.query = query


def give_body(case, operation, turn):
    if not is_left(turn):
        body = {**case.body, **BODIES[operation]}
        if operation == "createSession":
            body["id"] = f"generated-{turn}"
        case.body = message(body, TEXT[operation], turn) if operation in TEXT else body
        if case.meta.generation.mode.is_positive and operation in TEXT:
            send(case, f"{SESSION}-{operation}-{turn}", waits=turn % 4 == 1)
    if not is_valid(case, ParameterLocation.QUERY):
        # With a session in the body, the gateway ignores an invalid one in the query.
        case.body = {name: value for name, value in case.body.items() if name != "clientId"}


def send(case, key, waits):
    """Gives each message its own idempotency key, and lets some calls wait for the outcome."""
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = key
    if waits:
        case.headers.pop("Prefer", None)
        case.query = {name: value for name, value in case.query.items() if name != "until"}
        case.body = {name: value for name, value in case.body.items() if name != "sendAt"}


def message(body, text, turn):
    """A body with exactly one content and times in the future, which the schema cannot require."""
    kinds = [text, "template", "location", "contact"]
    given = [kind for kind in kinds if body.get(kind)] or [text]
    kind = given[turn % len(given)]
    # A generated `replyTo` names no message.
    of_others = {"replyTo", *kinds} - {kind}
    of_others |= set() if kind == text else {"mentions", "linkPreview"}
    of_others |= set() if kind == "template" else {"variables", "locale"}
    body = {name: value for name, value in body.items() if name not in of_others}
    if kind == "template":
        body |= {"template": "greeting", "variables": {"name": "Ada", "order": "9"}}
    elif kind == "contact":
        body["contact"] = {**body["contact"], "vcard": "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD"}
    elif kind == text and body.get("mentions"):
        body |= {text: f"@{NUMBER}", "mentions": [NUMBER]}
    elif kind == text:
        body[text] = body.get(text) or "generated"
    later = THINGS["before"] + 86_400_000
    times = {"sendAt": later, "expiresAt": later + 1000}
    return body | {name: at for name, at in times.items() if body.get(name)}


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation.definition.raw["operationId"]
    if case.meta:
        turn = calls[operation]
        calls[operation] += case.meta.generation.mode.is_positive
        if case.path_parameters and is_valid(case, ParameterLocation.PATH):
            give_id(case, operation, turn)
        if is_valid(case, ParameterLocation.QUERY):
            give_query(case, operation, turn)
        if isinstance(case.body, dict) and operation in BODIES and is_valid(case, ParameterLocation.BODY):
            give_body(case, operation, turn)
    protect(case, operation)


def protect(case, operation):
    """Redirects any call, valid or not, that would end a session that other calls rely on."""
    last = operation == "logoutSession" and SESSION == "unlinked"
    session = case.path_parameters.get("id") if isinstance(case.path_parameters, dict) else None
    if operation == "deleteSession" and session in PROTECTED | {SPARE}:
        case.path_parameters["id"] = THINGS["deletable"][0]
    elif operation in ON_SPARE and not last and session in PROTECTED:
        case.path_parameters["id"] = SPARE
    if operation == "seedReconnect":
        # A call without a session is about the default one.
        query = case.query if isinstance(case.query, dict) else {}
        if query.get("clientId", "default") in PROTECTED:
            case.query = {**query, "clientId": SPARE}
    if operation == "createSession" and isinstance(case.body, dict) and case.body.get("start", True) in (True, None):
        case.body = {**case.body, "start": False}


@schemathesis.hook
def after_call(context, case, response):
    operation = case.operation.definition.raw["operationId"]
    # A call with another method belongs to no operation.
    if case.method.upper() == case.operation.method.upper():
        met[operation][response.status_code] += 1
    if operation == "createSession" and response.status_code == 201:
        made.add(response.json()["id"])


@atexit.register
def tell():
    Path(os.environ["WHARF_MET"]).write_text(json.dumps(met))
