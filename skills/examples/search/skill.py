"""Every file that speaks of it is summarised by itself, at once; the answer is made of the summaries."""

from functools import partial

from pydantic import BaseModel

from bridle.context import Context
from bridle.grammar.said import Call

MOST = 5


class Summary(BaseModel):
    """What one file says about the question."""

    file: str
    summary: str
    relevant: bool


async def summarise(file: str, context: Context) -> Summary:
    """What a file says, in a branch of its own."""
    await context.call("read_file", path=file)
    return await context.extract(Summary, f"What does {file} say about the question?")


async def run(context: Context) -> str:
    """Search, summarise, answer."""
    action = await context.act("search_text")
    if not isinstance(action, Call):
        return "There is nothing to look for."
    found = await context.call(action)
    lines: list[str] = found.value if found.ok else []  # type: ignore[assignment]
    files = list(dict.fromkeys(line.partition(":")[0] for line in lines))[:MOST]
    if not files:
        return "Nothing was found."
    context.note(f"Reading {len(files)} files")
    summaries = await context.parallel(*(partial(summarise, file) for file in files))
    told = "\n".join(f"{it.file}: {it.summary}" for it in summaries if it.relevant)
    return await context.reply(f"What the files say:\n{told or 'nothing about it'}\n\nAnswer the question.")
