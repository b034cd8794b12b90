"""Requests that need no model: plain arithmetic, and what day or time it is.

Only what can be read in one way is obvious; a word more and the model decides.
"""

from __future__ import annotations

import re

from bridle.grammar.said import Call

_SUM = re.compile(
    r"\s*(?:what(?:'s| is)|how much is|calculate|compute|work out)?\s*"
    r"((?:[-+(]\s*)*\d+(?:\.\d+)?(?:\s*(?:[-+*/%]|\*\*)\s*(?:[-+(]\s*)*\d+(?:\.\d+)?\s*\)*)+)\s*=?\s*[?.!]?\s*",
    re.IGNORECASE,
)
_NAME = re.compile(r"\d+[-/]\d+[.!]?")
"""A number of a telephone or a flat, a day: not said to be a sum."""
_DAY = re.compile(r"\s*what (?:day|date) is (?:it|today|it today)\s*\??\s*", re.IGNORECASE)
_TIME = re.compile(r"\s*what(?:'s| is)? (?:the )?time(?: is it)?(?: now)?\s*\??\s*", re.IGNORECASE)


def obvious(request: str) -> Call | None:
    """The call that answers a request, if that goes without saying.

    >>> obvious("What is 12 * (3 + 4)?")
    Call(tool='calculate', args={'expression': '12 * (3 + 4)'})
    >>> obvious("what time is it?")
    Call(tool='current_time', args={})
    >>> obvious("What is 3 - 2026-01-05?"), obvious("What is 12?"), obvious("Call 555 - 1234 please")
    (None, None, None)
    >>> obvious("555-1234"), obvious("24/12"), obvious("24 / 12")
    (None, None, Call(tool='calculate', args={'expression': '24 / 12'}))
    """
    request = " ".join(request.split())
    if _NAME.fullmatch(request):
        return None
    if (found := _SUM.fullmatch(request)) and not re.search(r"\d-\d+-\d", found[1].replace(" ", "")):
        return Call("calculate", {"expression": found[1].strip()})
    if _DAY.fullmatch(request) or _TIME.fullmatch(request):
        return Call("current_time", {})
    return None
