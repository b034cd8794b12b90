"""JSON from a model, strictly and tolerantly.

Strict means RFC 8259 and what it leaves open, decided: no key twice, no NaN, bounded size. Tolerant means that whatever
has only one reading is read so, and every mend is reported: fences and prose around the value, single or typographic
quotes, Python's literals, comments, trailing and missing commas, bare keys, raw line breaks in strings, a missing end.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from pydantic import JsonValue

from bridle.errors import FormatError

SIZE_LIMIT = 1 << 20
"""Characters read at most."""
DEPTH_LIMIT = 100

_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_$][\w$-]*")
_SPACE = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_LITERALS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("null", "None", "NULL", "nil", "undefined")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`", "«": "»"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\"}


def parse_json(text: str) -> JsonValue:
    """A JSON document, strictly.

    Raises:
        FormatError: it is not one; the message says where.
    """
    if len(text) > SIZE_LIMIT:
        raise FormatError(f"the JSON is longer than {SIZE_LIMIT} characters", text=text)
    try:
        value: JsonValue = json.loads(text, object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}", text=text) from None
    except UnicodeEncodeError:
        raise FormatError("not JSON: half of a surrogate pair", text=text) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}", text=text) from None
    return value


@dataclass
class _Reader:
    """A recursive-descent reader that mends as it goes."""

    text: str
    at: int = 0
    mends: dict[str, None] = field(default_factory=dict[str, None])

    def mend(self, what: str) -> None:
        self.mends[what] = None

    def fail(self, what: str) -> FormatError:
        around = self.text[max(self.at - 20, 0) : self.at + 20]
        return FormatError(f"not JSON: {what} at character {self.at}, near {around!r}", text=self.text)

    @property
    def here(self) -> str:
        return self.text[self.at : self.at + 1]

    def space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        if match and match.end() > self.at:
            if match[0].strip():
                self.mend("a comment was left out")
            self.at = match.end()

    def value(self, depth: int = 0) -> JsonValue:
        if depth > DEPTH_LIMIT:
            raise self.fail("nested too deeply")
        self.space()
        if self.here == "{":
            return self.object(depth)
        if self.here == "[":
            return self.array(depth)
        if self.here in _QUOTES and self.here:
            return self.string()
        return self.bare()

    def object(self, depth: int) -> JsonValue:
        self.at += 1
        found: dict[str, JsonValue] = {}
        while True:
            self.space()
            self.comma("}", first=not found)
            if self.here in ("}", ""):
                break
            if self.here == "]":
                raise self.fail("']' where '}' is due")
            key = self.key()
            if key in found:
                raise self.fail(f"the key {key!r} comes twice")
            found[key] = self.value(depth + 1)
            self.separator("}")
        self.close("}")
        return found

    def array(self, depth: int) -> JsonValue:
        self.at += 1
        found: list[JsonValue] = []
        while True:
            self.space()
            self.comma("]", first=not found)
            if self.here in ("]", ""):
                break
            if self.here == "}":
                raise self.fail("'}' where ']' is due")
            found.append(self.value(depth + 1))
            self.separator("]")
        self.close("]")
        return found

    def comma(self, end: str, *, first: bool) -> None:
        if self.here != "," or first:
            return
        self.at += 1
        self.space()
        if self.text[self.at : self.at + 1] in (end, ""):
            self.mend("a trailing comma was left out")

    def separator(self, end: str) -> None:
        self.space()
        if self.here not in (",", end, "", "}", "]"):
            self.mend("a missing comma was put in")

    def close(self, end: str) -> None:
        if self.here == end:
            self.at += 1
        else:
            self.mend("the end was missing")

    def key(self) -> str:
        if self.here in _QUOTES:
            name = self.string()
        else:
            match = _WORD.match(self.text, self.at)
            if match is None:
                raise self.fail("a key is due")
            self.mend("a key was put in quotes")
            name, self.at = match[0], match.end()
        self.space()
        if self.here not in (":", "="):
            raise self.fail(f"':' is due after the key {name!r}")
        if self.here == "=":
            self.mend("'=' was read as ':'")
        self.at += 1
        return name

    def string(self) -> str:
        opening = self.here
        closing = _QUOTES[opening]
        if opening != '"':
            self.mend("other quotes were read as double quotes")
        self.at += 1
        parts: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "\\":
                parts.append(self.escape())
                continue
            if character == closing and (opening == '"' or self.ends_string()):
                self.at += 1
                return "".join(parts)
            if character < " ":
                self.mend("a raw control character in a string was kept")
            parts.append(character)
            self.at += 1
        self.mend("the end was missing")
        return "".join(parts)

    def ends_string(self) -> bool:
        """An apostrophe inside a single-quoted string is followed by more of it, a closing quote is not."""
        rest = self.text[self.at + 1 :].lstrip()
        return not rest or rest[0] in ",:}]="

    def escape(self) -> str:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "u":
            match = re.match(r"\\u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?", self.text[self.at :])
            if match is None:
                raise self.fail("a broken \\u escape")
            high = int(match[1], 16)
            if 0xD800 <= high < 0xDC00 and match[2]:
                self.at += 12
                return chr(0x10000 + ((high - 0xD800) << 10) + int(match[2], 16) - 0xDC00)
            if 0xD800 <= high < 0xE000:
                raise self.fail("half of a surrogate pair")
            self.at += 6
            return chr(high)
        self.at += 2
        if following in _ESCAPES:
            return _ESCAPES[following]
        if following in _QUOTES:
            return following
        self.mend("a backslash before an ordinary character was kept")
        return "\\" + following

    def bare(self) -> JsonValue:
        if match := _NUMBER.match(self.text, self.at):
            end = match.end()
            if not self.text[end : end + 1].isalnum():
                self.at = end
                return self.number(match[0])
        match = _WORD.match(self.text, self.at)
        word = match[0] if match else ""
        if word in _LITERALS or word in _NULLS:
            self.at += len(word)
            if word not in ("true", "false", "null"):
                self.mend(f"{word} was read as JSON's own literal")
            return _LITERALS.get(word)
        raise self.fail("a value is due" if self.at < len(self.text) else "the text ends before a value")

    def number(self, text: str) -> JsonValue:
        try:
            return json.loads(text, parse_constant=_no_constant)
        except ValueError:
            self.mend("a number was respelled")
            plain = text.replace("_", "").lstrip("+")
            try:
                return int(plain) if plain.lstrip("-").isdigit() else float(plain)
            except ValueError:
                raise self.fail(f"{text!r} is not a number") from None


def recover_json(text: str) -> tuple[JsonValue, list[str]]:
    """The JSON value in a model's reply, and what was mended to read it.

    Raises:
        FormatError: there is none, or it can be read in more than one way.
    """
    if len(text) > SIZE_LIMIT:
        raise FormatError(f"the reply is longer than {SIZE_LIMIT} characters", text=text)
    try:
        return parse_json(text.strip()), []
    except FormatError:
        pass
    inner = _inside(text)
    reader = _Reader(inner)
    value = reader.value()
    reader.space()
    if inner != text.strip():
        reader.mend("text around the JSON was left out")
    if (rest := reader.text[reader.at :].strip()) and not rest.startswith("```"):
        if re.match(r"[{\[]", rest):
            raise FormatError("the reply holds more than one JSON value; one is due", text=text)
        reader.mend("text around the JSON was left out")
    return value, list(reader.mends)


def _inside(text: str) -> str:
    """From where the JSON begins: inside the only fence, else at the first bracket, else the text itself."""
    fences = re.findall(r"```[a-zA-Z0-9]*[ \t]*\n?(.*?)(?:```|\Z)", text, re.DOTALL)
    held = [fence.strip() for fence in fences if fence.strip()[:1] in ("{", "[")]
    if len(held) == 1:
        return held[0]
    start = re.search(r"[{\[]", text)
    return text[start.start() :].strip() if start else text.strip()


def _no_key_twice(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} comes twice")
    return found


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is not JSON")
