"""Mail drafts: `.eml` files (RFC 5322) that a mail program opens for a person to read and send. Nothing is sent."""

from __future__ import annotations

import hashlib
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from bridle.errors import ToolError
from bridle.tool import CallKey, tool
from bridle.toolbox.workspace import Workspace

_ADDRESS = re.compile(r"[^@\s<>,;:\"()]+@[^@\s<>,;:\"()]+")


def remove_draft(workspace: Workspace, key: CallKey, subject: str) -> str:
    """Remove the draft that a call wrote."""
    path = workspace.path(_file(subject, key))
    path.unlink(missing_ok=True)
    return f"{workspace.name(path)} is removed"


@tool(effect="idempotent", undo=remove_draft)
def draft_mail(workspace: Workspace, key: CallKey, to: str, subject: str, body: str = "") -> str:
    """Write a mail draft.

    Args:
        to: a mail address or a name; several are separated by commas
    """
    if "\n" in to + subject or "\r" in to + subject:
        raise ToolError("a recipient or subject is one line")
    people = [person.strip() for person in to.split(",") if person.strip()]
    if not people:
        raise ToolError("the mail has no recipient")
    message = EmailMessage(policy=SMTP)
    message["To"] = [_address(person) for person in people]
    message["Subject"] = subject
    message["X-Unsent"] = "1"
    message.set_content(body)
    name = _file(subject, key)
    workspace.write_bytes(name, message.as_bytes())
    return f"Draft to {', '.join(people)} saved as {name}"


def _file(subject: str, key: CallKey) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", subject.casefold()).strip("-")[:40] or "draft"
    return f"drafts/{words}-{hashlib.sha256(key.value.encode()).hexdigest()[:6]}.eml"


def _address(person: str) -> Address:
    if _ADDRESS.fullmatch(person):
        try:
            return Address(addr_spec=person)
        except (ValueError, IndexError):
            raise ToolError(f"'{person}' is not a mail address") from None
    return Address(display_name=person)
