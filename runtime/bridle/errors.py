"""One root, few leaves: every error Bridle raises on purpose says what happened, and carries its remedy as data.

`hint` is what the reader can do about it; `retryable` says whether the same call may succeed later. A command line
prints message and hint and exits with `exit_code`; nothing here is ever shown as a traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pydantic import JsonValue, ValidationError


class BridleError(Exception):
    """Root of all errors raised on purpose. `message` says what happened and where, `hint` what to do."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BridleError):
    """The caller's input cannot be used: an empty task, an unknown name, a file that is not there."""

    exit_code = 2


class ModelError(BridleError):
    """A model file is missing, damaged, not a GGUF, or not one that can generate."""


class EngineError(BridleError):
    """The engine failed while decoding, or has been closed."""

    retryable = True


class BusyError(EngineError):
    """More requests are waiting than an engine takes."""


class ContextError(BridleError):
    """A prompt and its output do not fit the context."""


class GrammarError(BridleError):
    """A form cannot be compiled; the message names the part of it that cannot."""

    exit_code = 2


class BudgetError(BridleError):
    """A token budget is below the shortest document that the form allows."""

    exit_code = 2


class FormatError(BridleError):
    """Model output could not be read as the form asked for. `text` is the output, whole; `partial` what of it is
    certain, None if nothing is."""

    retryable = True

    def __init__(self, message: str, *, text: str = "", hint: str = "", partial: JsonValue | None = None) -> None:
        super().__init__(message, hint=hint)
        self.text = text
        self.partial = partial


class ToolError(BridleError):
    """A tool could not do what it was asked; the message goes back to the model as an observation."""


class JournalError(BridleError):
    """The journal cannot be read or written."""


class SkillError(BridleError):
    """A skill folder cannot be loaded."""


class Misread(BridleError):
    """A skill finds that a request is not for it. The message is what it has to say to the person."""


def describe(error: ValidationError) -> str:
    """Every complaint of a validation in one line: `days: Input should be a valid integer; title: Field required`."""
    told = [(".".join(map(str, it["loc"])), it["msg"].removeprefix("Value error, ")) for it in error.errors()]
    return "; ".join(f"{where or 'value'}: {why}" for where, why in told)
