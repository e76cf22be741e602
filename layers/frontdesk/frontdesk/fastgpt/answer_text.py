"""What of the model's raw text a customer may see.

Citation marks ``[<24 hex>](CITE)`` point into the vendor's own web page; the leading newline comes from "fixed
reply" nodes (FastGPT source, packages/service/core/workflow/dispatch, and its API documentation).
"""

from __future__ import annotations

import re

from frontdesk.fastgpt import untrusted

_CITATION = re.compile(r"\[[0-9a-f]{24}\]\(CITE\)", re.IGNORECASE)
_CITATION_BEGUN = re.compile(r"\[[0-9a-f]{0,24}(\](\((C(I(TE?)?)?)?)?)?\Z", re.IGNORECASE)


def visible(raw: str) -> str:
    """Return the text without citation marks and without newlines at its start; empty when only blanks remain."""
    shown = _CITATION.sub("", untrusted.whole(raw)).lstrip("\r\n")
    return shown if shown.strip() else ""


def has_words(raw: str) -> bool:
    """Tell whether the text so far already shows something, a citation mark still being written left aside."""
    return bool(visible(_CITATION_BEGUN.sub("", raw)))
