"""Write the XML of callbacks in its permitted shapes, and read the XML of passive replies.

The documentation fixes neither the order of elements nor the white space between them, so the shape is a parameter:
a bot that only reads one shape is found out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import defusedxml.ElementTree as SafeTree
from defusedxml import DefusedXmlException

if TYPE_CHECKING:
    from random import Random
    from xml.etree.ElementTree import Element

# `object` stands for the recursive "scalar, mapping or sequence of these"; `write_value` refuses the rest.
Elements = Sequence[tuple[str, object]]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlTextError(ValueError):
    """Something cannot be written as XML, or is not the XML expected."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One way of laying out the same document: what separates elements, and how text is protected."""

    separator: str = ""
    cdata: bool = True

    @classmethod
    def drawn(cls, rng: Random) -> Shape:
        """Return a shape drawn with `rng`; CDATA, which the real platform uses, is the more frequent."""
        return cls(separator=rng.choice(("", "\n", "\n  ", " ")), cdata=rng.random() < 0.75)


def write_document(elements: Elements, shape: Shape) -> str:
    """Return `<xml>…</xml>` with `elements` in the order given."""
    inner = "".join(shape.separator + write_value(name, value, shape) for name, value in elements)
    closing = "\n" if shape.separator else ""
    return f"<xml>{inner}{closing}</xml>"


def write_value(name: str, value: object, shape: Shape) -> str:
    """Return one element: numbers bare, text protected, a mapping nested, a sequence as repeated elements."""
    if _NAME.fullmatch(name) is None:
        raise XmlTextError("not an element name")
    if isinstance(value, str):
        return f"<{name}>{_protect(value, shape)}</{name}>"
    if isinstance(value, Mapping):
        inner = "".join(write_value(str(child), item, shape) for child, item in value.items())
        return f"<{name}>{inner}</{name}>"
    if isinstance(value, Sequence):
        return "".join(write_value(name, item, shape) for item in value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"<{name}>{value}</{name}>"
    raise XmlTextError(f"element {name} has neither text, a number, an object nor a list")


def read_document(text: bytes) -> Element:
    """Return the root of a document without DTD and entities, or raise `XmlTextError`."""
    try:
        root: Element = SafeTree.fromstring(text, forbid_dtd=True)
    except (SafeTree.ParseError, DefusedXmlException, ValueError) as exc:
        raise XmlTextError("not plain XML") from exc
    return root


def _protect(text: str, shape: Shape) -> str:
    if _NOT_IN_XML.search(text):
        raise XmlTextError("the text holds a character that XML cannot carry")
    if not shape.cdata:
        return escape(text)
    # A CDATA section cannot hold its own end mark, so the mark is split over two sections.
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"
