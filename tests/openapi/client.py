"""A typical use of the API with the client that openapi-python-client generates from the document: see that a session is
ready, send a message, wait for its outcome, find it in the list, and find the webhook delivery of its event.

Run by `cargo xtask openapi` as `client.py <address> <key>`. Paths and fields come from the generated client only.
"""

import sys
import time

from wharf_client import AuthenticatedClient
from wharf_client.api.deliveries import get_delivery, list_deliveries
from wharf_client.api.messages import get_message, list_messages
from wharf_client.api.sessions import get_session, list_sessions, send_message
from wharf_client.models import (
    AcceptedEntry,
    AcceptedMessage,
    DeliveryPage,
    DeliveryState,
    Message,
    MessageDetails,
    MessagePage,
    RowState,
    SendRequest,
    SessionDetails,
    SessionList,
    SessionState,
    TextContent,
)

TEXT = "from a client that was made of the document"


def until(what, probe, seconds=30):
    """Calls `probe` until it returns something, and returns that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come within {seconds} s")


def main(address, key):
    client = AuthenticatedClient(base_url=address, token=key, timeout=60)

    sessions = list_sessions.sync(client=client)
    assert isinstance(sessions, SessionList), sessions
    assert {"default", "unlinked"} <= {session.id for session in sessions.sessions}, sessions
    session = get_session.sync("default", client=client)
    assert isinstance(session, SessionDetails), session
    assert session.state is SessionState.READY and session.is_ready, session
    unlinked = get_session.sync("unlinked", client=client)
    assert isinstance(unlinked, SessionDetails) and not unlinked.is_ready, unlinked

    sent = send_message.sync("default", client=client, body=SendRequest(to="+49 151 23456789", text=TEXT))
    assert isinstance(sent, Message), sent
    assert sent.state is RowState.SENT and sent.number == "4915123456789", sent

    accepted = send_message.sync_detailed("default", client=client, body=SendRequest(to="4915123456789", text=TEXT), prefer="respond-async")
    assert accepted.status_code == 202 and isinstance(accepted.parsed, AcceptedMessage), accepted
    assert accepted.headers["location"] == accepted.parsed.location, accepted

    def outcome():
        message = get_message.sync(accepted.parsed.id, client=client)
        assert isinstance(message, MessageDetails), message
        return message if message.state is RowState.SENT else None

    message = until("the message's outcome", outcome)
    assert message.message_id == accepted.parsed.message_id and message.outcome is not None, message
    assert isinstance(message.content, TextContent) and message.content.text == TEXT, message.content
    assert isinstance(message.history[0], AcceptedEntry), message.history

    page = list_messages.sync(client=client, session="default", state=RowState.SENT, limit=10)
    assert isinstance(page, MessagePage), page
    assert {sent.id, accepted.parsed.id} <= {found.id for found in page.messages}, page

    def delivered():
        deliveries = list_deliveries.sync(client=client, state=DeliveryState.DELIVERED, limit=200)
        assert isinstance(deliveries, DeliveryPage), deliveries
        ours = [it for it in deliveries.deliveries if it.event and it.event.message_id == message.message_id]
        return next((it for it in ours if it.event.kind == "message.sent"), None)

    delivery = until("the delivery of the message's event", delivered)
    again = get_delivery.sync(delivery.id, client=client)
    assert again.id == delivery.id and again.target == "receiver", again

    refused = send_message.sync("default", client=client, body=SendRequest(to="nobody", text=TEXT))
    assert refused.code == "invalid_number" and refused.status == 400, refused
    missing = get_session.sync("nobody", client=client)
    assert missing.code == "unknown_client", missing
    print("a client that was made of the document does the main job")


if __name__ == "__main__":
    main(*sys.argv[1:])
