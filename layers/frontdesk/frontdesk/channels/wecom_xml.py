"""The XML of WeCom's callbacks, read without obeying it: no document types, no entities, no declared encodings."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from frontdesk.errors import MalformedCallbackError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def parse(body: bytes | str, what: str) -> Element:
    """Return the outermost element; ``what`` names the body in the `MalformedCallbackError` that is raised."""
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException:
        raise MalformedCallbackError(f"the {what} has a document type", code="xml_forbidden") from None
    except (ParseError, ValueError, LookupError):
        # LookupError: an encoding declaration that nobody knows
        raise MalformedCallbackError(f"the {what} is not XML", code="xml_broken") from None
    return root


def text_of(root: Element, tag: str) -> str:
    """Return the words of a child without blanks around them, "" where there is none."""
    return (root.findtext(tag) or "").strip()
