"""A console that what models, tools and files say cannot drive: no escape sequence of theirs reaches the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_SHOWN = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
    **dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd"),
}
"""Controls (C0 by their pictures, C1) and marks that turn the direction of writing (CVE-2021-42574)."""


def harmless(text: str) -> str:
    """A text with everything visible that would drive a terminal."""
    return text.translate(_SHOWN)


class Screen(Console):
    """A console on which only Bridle moves the cursor and chooses colours; no `:name:` turns into a picture."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As `Console`, with what is said made harmless; its own controls are left alone."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)
