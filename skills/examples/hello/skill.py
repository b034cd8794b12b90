"""One reply."""

from bridle.context import Context


async def run(context: Context) -> str:
    """Chat."""
    return await context.reply()
