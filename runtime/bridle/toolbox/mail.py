"""Mail drafts: `.eml` files (RFC 5322) that a mail program opens for a person to read and send. Nothing is sent."""

from __future__ import annotations

import hashlib
import re
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from bridle.errors import ToolError
from bridle.tool import CallKey, tool
from bridle.toolbox.workspace import Workspace

_ADDRESS = re.compile(r"[^@\s<>,;:\"()]+@[^@\s<>,;:\"()]+")
_NAMED = re.compile(r'(?P<quote>"?)(?P<name>[^"<>]*?)(?P=quote)\s*<(?P<address>[^<>]+)>')
_PERSON = re.compile(r'(?:"[^"]*"|<[^<>]*>|[^,"<>]|["<>])+')
"""What stands between commas, but for those inside quotes and brackets."""


def remove_draft(workspace: Workspace, key: CallKey, to: str, subject: str, body: str = "") -> str:
    """Remove the draft that a call wrote, if nobody has worked on it since."""
    path = workspace.path_to_change(name := _file(subject, key))
    if path.exists() and path.read_bytes() != _message(to, subject, body).as_bytes():
        raise ToolError(f"{name} was changed since, and is left as it is")
    path.unlink(missing_ok=True)
    return f"{workspace.name(path)} is removed"


@tool(effect="idempotent", undo=remove_draft)
def draft_mail(workspace: Workspace, key: CallKey, to: str, subject: str, body: str = "") -> str:
    """Write a mail draft.

    Args:
        to: a mail address or a name; several are separated by commas
    """
    message, name = _message(to, subject, body), _file(subject, key)
    if not workspace.path_to_change(name).exists():  # else it was written before, and may have been worked on since
        workspace.write_bytes(name, message.as_bytes())
    return f"Draft to {', '.join(_people(to))} saved as {name}"


def _message(to: str, subject: str, body: str) -> EmailMessage:
    if any(ord(it) < 32 or 127 <= ord(it) < 160 for it in to + subject):
        raise ToolError("a recipient or subject is one line of text")
    message = EmailMessage(policy=SMTP)
    try:
        message["To"] = [_address(person) for person in _people(to)]
        message["Subject"] = subject
        message["X-Unsent"] = "1"
        message.set_content(body)
        message.as_bytes()
    except ValueError as error:  # half a character, or what no header can hold
        raise ToolError(f"no mail can be made of that: {error}") from None
    return message


def _people(to: str) -> list[str]:
    people = [person.strip() for person in _PERSON.findall(to) if person.strip()]
    if not people:
        raise ToolError("the mail has no recipient")
    return people


def _file(subject: str, key: CallKey) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", subject.casefold()).strip("-")[:40] or "draft"
    return f"drafts/{words}-{hashlib.sha256(key.value.encode()).hexdigest()[:6]}.eml"


def _address(person: str) -> Address:
    named = _NAMED.fullmatch(person)
    name, address = (named["name"].strip(), named["address"].strip()) if named else ("", person)
    if not named and not _ADDRESS.fullmatch(person):
        return Address(display_name=person.strip('"'))
    try:
        if not _ADDRESS.fullmatch(address):
            raise ValueError
        return Address(display_name=name, addr_spec=address)
    except (ValueError, IndexError, HeaderParseError):
        raise ToolError(f"'{person}' is not a mail address") from None
