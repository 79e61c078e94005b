"""What made-up calls may not do, so that the sessions they are about stay what they are said to be.

Nothing is filtered away: a call that would stop, delete or pause the linked session, or the one that waits for a link, does
so with the session `spare`, which is there for that.
"""

import schemathesis

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
}


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation.definition.raw.get("operationId")
    if operation in ON_SPARE and isinstance(case.path_parameters, dict) and case.path_parameters.get("id") in PROTECTED:
        case.path_parameters["id"] = SPARE
    if operation == "seedReconnect":
        # A call that names no session means the default one.
        query = case.query if isinstance(case.query, dict) else {}
        if query.get("clientId", "default") in PROTECTED:
            case.query = {**query, "clientId": SPARE}
    if operation == "createSession" and isinstance(case.body, dict) and case.body.get("start", True) in (True, None):
        # Each session that starts is a Chromium.
        case.body = {**case.body, "start": False}
