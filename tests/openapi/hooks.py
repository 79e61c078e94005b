"""Keeps generated calls from changing the state of the sessions that other calls rely on.

No call is dropped: one that would stop, delete or pause the linked session (`default`) or the one waiting for a link
(`unlinked`) is made for the session `spare` instead, which exists for that.
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
        # A call without a session is about the default one.
        query = case.query if isinstance(case.query, dict) else {}
        if query.get("clientId", "default") in PROTECTED:
            case.query = {**query, "clientId": SPARE}
    if operation == "createSession" and isinstance(case.body, dict) and case.body.get("start", True) in (True, None):
        # Each session that starts would run another Chromium.
        case.body = {**case.body, "start": False}
