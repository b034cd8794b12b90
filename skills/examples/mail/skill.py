"""Fetch, sum up, put into the calendar: each mail becomes a value before anything is done with it.

What a mail says can fill in that type and nothing else: the call to the calendar is made by code.
"""

import datetime
from email import policy
from email.parser import BytesParser
from functools import partial
from typing import Annotated

from pydantic import BaseModel, Field

from bridle.context import Context
from bridle.tool import tool
from bridle.toolbox.workspace import Workspace

MOST = 20


@tool(effect="pure")
def fetch_mails(workspace: Workspace) -> list[dict[str, str]]:
    """Fetch the mails in the folder inbox, newest file first."""
    mails: list[dict[str, str]] = []
    for path in sorted(workspace.root.glob("inbox/*.eml"), reverse=True)[:MOST]:
        mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
        body = mail.get_body(("plain",))
        text = body.get_content() if body else ""
        mails.append({"from": str(mail["from"]), "subject": str(mail["subject"]), "text": text[:4_000]})
    return mails


TOOLS = (fetch_mails,)


class Seen(BaseModel):
    """What is in a mail."""

    summary: Annotated[str, Field(max_length=200)]
    meeting: datetime.date | None = None
    """The day of a meeting that it names."""


async def read(mail: dict[str, str], context: Context) -> Seen:
    """One mail as a value, in a branch that sees no other."""
    context.tell(f"From: {mail['from']}\nSubject: {mail['subject']}\n\n{mail['text']}")
    return await context.extract(Seen, "Sum the mail up. If it names a meeting, give its day.")


async def run(context: Context) -> str:
    """Fetch, read each, note the meetings."""
    fetched = await context.call("fetch_mails")
    mails: list[dict[str, str]] = fetched.value if fetched.ok else []  # type: ignore[assignment]
    if not mails:
        return "There are no mails."
    context.messages.pop()  # the branches see their own mail, not all of them
    context.note(f"Reading {len(mails)} mails")
    seen = await context.parallel(*(partial(read, mail) for mail in mails))
    for mail, it in zip(mails, seen, strict=True):
        if it.meeting is not None:
            await context.call("add_event", title=mail["subject"], date=it.meeting.isoformat())
    return "\n".join(f"{mail['from']}: {it.summary}" for mail, it in zip(mails, seen, strict=True))
