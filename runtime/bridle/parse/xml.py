"""XML from a model, strictly and tolerantly, and safe from hostile input either way.

Strict is lxml with everything that fetches, expands or grows switched off; a document type is refused. Tolerant knows
which elements are possible: any other `<` is text, as is a stray `&`. A tag that is never closed ends where its
parent ends, or where the next field begins if it already holds text. Every mend is reported.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeAlias

from lxml import etree

from bridle.errors import FormatError

Element: TypeAlias = etree._Element  # pyright: ignore[reportPrivateUsage]  # lxml names its class so

SIZE_LIMIT = 1 << 20
"""Characters read at most: a document of 4 MB can take 110 MB as a tree."""
DEPTH_LIMIT = 64
COUNT_LIMIT = 20_000
"""Elements in one document at most."""

_HOSTILE = re.compile(r"<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_OTHER_VERSION = re.compile(r"<\?xml\s+version\s*=\s*[\"'](?!1\.0[\"'])([^\"']*)")
_TAG = re.compile(
    r"<(/?)([A-Za-z_][\w.-]*)((?:\s+[A-Za-z_][\w.:-]*\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>/]+))*)\s*(/?)>"
)
_ATTRIBUTE = re.compile(r"([A-Za-z_][\w.:-]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'<>/]+))")
_ENTITY = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6}));")
_CDATA = re.compile(r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse_xml(text: str) -> Element:
    """An XML document, strictly.

    Raises:
        FormatError: it is not well-formed, too large or deep, or declares a document type; the message says where.
    """
    _refuse_hostile(text)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "surrogatepass"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise FormatError(f"not XML: {error}", text=text) from None
    _check_size(root, text)
    return root


def recover_xml(text: str, roots: Collection[str], names: Collection[str]) -> tuple[Element, list[str]]:
    """The document in a model's reply, and what was mended to read it.

    Args:
        text: the reply, without its thinking.
        roots: the elements that it may be.
        names: the elements that may stand inside it.

    Raises:
        FormatError: there is no such element, or there is more than one.
    """
    try:
        root = parse_xml(text)
        if root.tag in roots and all(element.tag in names for element in root.iterdescendants()):
            return root, []
    except FormatError:
        _refuse_hostile(text)
    builder = _Builder(roots, names)
    builder.read(text)
    if builder.root is None:
        raise FormatError(f"the reply holds no <{'> or <'.join(roots)}>", text=text)
    _check_size(builder.root, text)
    return builder.root, list(builder.mends)


class _Builder:
    """Reads tags and text in order and keeps the stack of open elements."""

    def __init__(self, roots: Collection[str], names: Collection[str]) -> None:
        self.root: Element | None = None
        self.mends: dict[str, None] = {}
        self._spelling = {name.casefold(): name for name in [*names, *roots]}
        self._roots = set(roots)
        self._open: list[Element] = []
        self._count = 0

    def read(self, text: str) -> None:
        at = 0
        while at < len(text):
            following = text.find("<", at)
            following = len(text) if following < 0 else following
            self._text(text[at:following])
            at = following
            if at == len(text):
                break
            if match := _CDATA.match(text, at):
                self._raw(match[1])
            elif (match := _COMMENT.match(text, at)) is None and not self._tag(match := _TAG.match(text, at), text):
                self._stray(text[at])
                match = None
            at = match.end() if match else at + 1
        if self._open:
            self.mends["the end was missing"] = None

    def _tag(self, match: re.Match[str] | None, text: str) -> bool:
        name = self._spelling.get(match[2].casefold()) if match else None
        if match is None or name is None:
            return False
        if name != match[2]:
            self.mends[f"<{match[2]}> was read as <{name}>"] = None
        if match[1]:
            self._close(name)
            return True
        if not self._open:
            if name not in self._roots:
                return True
            if self.root is not None:
                raise FormatError("the reply holds more than one document; one is due", text=text)
            element = self.root = etree.Element(name)
        else:
            self._end_text()
            element = etree.SubElement(self._open[-1], name)
        for key, double, single, bare in _ATTRIBUTE.findall(match[3]):
            element.set(key.rpartition(":")[2], _UNSAYABLE.sub("", self._unescape(double or single or bare)))
        self._count += 1
        if len(self._open) >= DEPTH_LIMIT or self._count > COUNT_LIMIT:
            raise FormatError("the reply nests too deeply or holds too many elements", text=text)
        if not match[4]:
            self._open.append(element)
        return True

    def _end_text(self) -> None:
        """An element that holds text holds no elements: it was not closed."""
        top = self._open[-1]
        if len(self._open) > 1 and (top.text or "").strip():
            self.mends[f"<{top.tag}> was closed"] = None
            top.text = (top.text or "").strip()
            self._open.pop()

    def _close(self, name: str) -> None:
        tags = [element.tag for element in self._open]
        if name not in tags:
            if self.root is not None and self._open:
                self.mends[f"a stray </{name}> was left out"] = None
            return
        while self._open[-1].tag != name:
            self.mends[f"<{self._open.pop().tag}> was closed"] = None
        self._open.pop()

    def _text(self, text: str) -> None:
        if text and self._open:
            self._raw(self._unescape(text))
        elif text.strip(" \n\t`"):
            self.mends["text around the XML was left out"] = None

    def _stray(self, character: str) -> None:
        if self._open:
            self.mends["a stray '<' was read as text"] = None
        self._raw(character)

    def _raw(self, text: str) -> None:
        if not self._open:
            return
        clean = _UNSAYABLE.sub("", text)
        top = self._open[-1]
        if len(top):
            top[-1].tail = (top[-1].tail or "") + clean
        else:
            top.text = (top.text or "") + clean

    def _unescape(self, text: str) -> str:
        def replace(match: re.Match[str]) -> str:
            if match[1]:
                return _NAMED[match[1]]
            code = int(match[2]) if match[2] else int(match[3], 16)
            return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else match[0]

        if "&" in _ENTITY.sub("", text):
            self.mends["a stray '&' was read as text"] = None
        return _ENTITY.sub(replace, text)


def _refuse_hostile(text: str) -> None:
    if len(text) > SIZE_LIMIT:
        raise FormatError(f"the XML is longer than {SIZE_LIMIT} characters", text=text)
    if found := _HOSTILE.search(text):
        raise FormatError(f"a document type is not accepted: {found[0]}", text=text)
    if found := _OTHER_VERSION.match(text):
        raise FormatError(f"only XML 1.0 is accepted, not {found[1]}", text=text)


def _check_size(root: Element, text: str) -> None:
    depth = count = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > DEPTH_LIMIT or count > COUNT_LIMIT:
            raise FormatError("the XML nests too deeply or holds too many elements", text=text)
