"""One reply in free text."""

from bridle.context import Context


async def run(context: Context) -> str:
    """Answer the last message."""
    return await context.reply()
