"""Markdown, as language models write it, turned into what a WeCom text message shows well on a phone.

A text message knows line breaks and ``<a href="…">label</a>``, nothing else (WeCom developer docs, path 90236).
Words are never lost: what has no counterpart becomes plain words. Only what no reader of Markdown sees either goes
away: comments, the language of a code block, attributes of HTML tags. Cutting a long text is not done here.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.rules_block.table import escapedSplit
from markdown_it.rules_inline.state_inline import Delimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_BULLET, _OPEN_TASK, _DONE_TASK = "•", "☐", "☑"
_INDENT = "  "
_QUOTE = "> "
_RULE = "————————"
_CELL_GAP = "｜"
_EMPTY_CELL = "—"
_IMAGE = "图片"

# Deeper nesting is no writing but an accident; such a text is shown as it is. The parser itself would drop it.
_DEEPEST_NESTING = 60

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKUP = re.compile(r"[*_~`\[\]<>#|\\&]|^[ \t]*(?:[-+]|\d{1,9}[.)])", re.MULTILINE)
_LINE_END_BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")
_URL_REST = re.compile(r"://[A-Za-z0-9\-._~:/?#@!$&'()*+,;=%]+")
_URL_TAIL = "*_~.,;:!?'()"
_LINKABLE = re.compile(r'(?:https?://|mailto:|tel:)[^\s"<>]+', re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_LANGUAGE = re.compile(r"[\w+#.:-]{0,24}", re.ASCII)
_LINK_TAG = re.compile(r"<(?=/?a[\s>])", re.IGNORECASE)
_TAG_NAME = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_TASK = re.compile(r"\[([ xX])\][ \t]+")

_DROPPED_TAGS = frozenset(
    {
        "abbr", "b", "big", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "q", "s", "samp",
        "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
    }
)  # fmt: skip
_CELL_TAGS = frozenset({"td", "th"})
_LAYOUT_TAGS = _CELL_TAGS | frozenset(
    {
        "article", "aside", "blockquote", "br", "center", "dd", "details", "div", "dl", "dt", "figcaption", "figure",
        "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "ol", "p", "pre", "section",
        "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
    }
)  # fmt: skip


def render(markdown: str) -> str:
    """Return ``markdown`` as the content of a text message of any length, "" for a blank one.

    Text without markup comes back unchanged, apart from control characters and more than one blank line in a row.
    """
    text = _readable(markdown)
    if not _MARKUP.search(text):
        return _tidy(text)
    tokens = _PARSER.parse(text)
    if any(token.level >= _DEEPEST_NESTING - 1 for token in tokens):
        return _tidy(text)
    return _tidy("\n".join(_Page(text, tokens).lines()))


def _readable(text: str) -> str:
    """Return ``text`` with one kind of line end, without controls and without halves of surrogate pairs."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", text))


def _tidy(text: str) -> str:
    return _BLANK_LINES.sub("\n\n", _LINE_END_BLANKS.sub("", text)).strip("\n")


def _literal(text: str) -> str:
    """Return ``text`` with its link tags broken by a zero-width space: WeCom shows them instead of obeying them."""
    return _LINK_TAG.sub("<\u200b", text)


# -- reading -------------------------------------------------------------------------------------------------------


def _is_east_asian(char: str) -> bool:
    """Wide, full-width, or ambiguous: the last are the quotation marks and dashes that Chinese shares with English."""
    return unicodedata.east_asian_width(char) in {"W", "F", "A"}


def _delimiters(state: StateInline, silent: bool) -> bool:  # noqa: FBT001  # the parser calls it so
    """Read ``**`` and ``~~`` beside Chinese, which CommonMark leaves as they are in e.g. ``**注意：**请``.

    CommonMark (0.31, 6.2) wants a space after a closing run that follows punctuation; Chinese is written without
    spaces, so here a run beside an East Asian character opens before any word and closes after any.
    """
    marker = state.src[state.pos]
    if silent or marker not in "*~":
        return False
    count = state.scanDelims(state.pos, canSplitWord=True).length
    after_run = state.pos + count
    before = state.src[state.pos - 1] if state.pos else " "
    after = state.src[after_run] if after_run < state.posMax else " "
    if (marker == "~" and count < 2) or not (_is_east_asian(before) or _is_east_asian(after)):
        return False
    unit = marker if marker == "*" else marker * 2
    if count % len(unit):
        state.push("text", "", 0).content = marker
    for _ in range(count // len(unit)):
        state.push("text", "", 0).content = unit
        state.delimiters.append(
            Delimiter(
                marker=ord(marker),
                length=count if marker == "*" else 0,  # the "rule of three" is about * only
                token=len(state.tokens) - 1,
                end=-1,
                open=not after.isspace(),
                close=not before.isspace(),
            )
        )
    state.pos = after_run
    return True


def _bare_url(state: StateInline, silent: bool) -> bool:  # noqa: FBT001  # the parser calls it so
    """Read the rest of a bare web address in one go, so that ``*`` and ``_`` in it stay what they are."""
    if state.src[state.pos] != ":" or not state.src.endswith(("http", "https"), 0, state.pos):
        return False
    found = _URL_REST.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    rest = found[0].rstrip(_URL_TAIL)
    if not silent:
        state.append_pending(rest)
    state.pos += max(1, len(rest))
    if not rest and not silent:
        state.append_pending(":")
    return True


class _Parser(MarkdownIt):
    """CommonMark with tables, read for what chat models write rather than to the letter."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"maxNesting": _DEEPEST_NESTING})
        self.enable(["table", "strikethrough"])
        # Off: indented code (models indent to please the eye), underlined headings (a rule is meant), raw HTML
        # blocks (their Markdown would stay unread; tags are read within a line), reference definitions (unused
        # ones would be lost).
        self.disable(["code", "lheading", "html_block", "reference"])
        self.inline.ruler.before("strikethrough", "east_asian_delimiters", _delimiters)
        self.inline.ruler.before("newline", "bare_url", _bare_url)

    def validateLink(self, url: str) -> bool:  # noqa: ARG002, N802
        """Let every address pass: `_Words` decides which of them becomes a link."""
        return True


_PARSER = _Parser()


# -- writing -------------------------------------------------------------------------------------------------------


class _Words:
    """Collects the words of one paragraph, heading or cell."""

    def __init__(self) -> None:
        self._out: list[str] = []
        # For each link not yet closed: where its label starts, its address and its title.
        self._links: list[tuple[int, str, str]] = []

    def read(self, children: Iterable[Token]) -> str:
        """Return what ``children`` say, as one or more lines."""
        for token in children:
            match token.type:
                case "softbreak" | "hardbreak":
                    self._out.append("\n")
                case "link_open":
                    self._open_link(str(token.attrs["href"]), str(token.attrs.get("title", "")))
                case "link_close":
                    self._close_link()
                case "image":
                    self._image(_Words().read(token.children or ()), str(token.attrs["src"]))
                case "html_inline":
                    self._tag(token.content)
                case _:  # text, code, and the openings and ends of emphasis, which have no content
                    self._out.append(_literal(token.content))
        while self._links:
            self._close_link()
        return "".join(self._out).strip()

    def _open_link(self, address: str, title: str = "") -> None:
        self._links.append((len(self._out), address, title))

    def _close_link(self) -> None:
        start, address, title = self._links.pop()
        label = " ".join("".join(self._out[start:]).split())
        del self._out[start:]
        self._out.append(_link(label, address))
        if title and title not in label:
            self._out.append(f"（{_literal(title)}）")

    def _image(self, description: str, address: str) -> None:
        """Write a link to the picture, or its description where there is nothing to open."""
        description = " ".join(description.split())
        label = f"{_IMAGE}：{description}" if description else _IMAGE
        if self._links or not _WEB.match(address):
            self._out.append(description or f"[{_IMAGE}]")
        else:
            self._out.append(_link(label, address))

    def _tag(self, tag: str) -> None:
        """Obey a tag that links, shows a picture or breaks lines; drop one of mere form; show any other as words."""
        found = _TAG_NAME.match(tag)
        name = found[2].lower() if found else ""
        closing = bool(found and found[1])
        if name == "a" and closing and self._links:
            self._close_link()
        elif name == "a" and not closing and (address := _attribute(tag, "href")):
            self._open_link(address)
        elif name == "img" and (address := _attribute(tag, "src")):
            self._image(_attribute(tag, "alt"), address)
        elif name in _LAYOUT_TAGS:
            self._lay_out(name, closing=closing)
        elif name not in _DROPPED_TAGS and not tag.startswith("<!--"):
            self._out.append(_literal(tag))

    def _lay_out(self, name: str, *, closing: bool) -> None:
        in_line = bool("".join(self._out[-2:]).rpartition("\n")[2].strip())
        if name in _CELL_TAGS:
            self._out.append(_CELL_GAP if in_line and not closing else "")
            return
        if in_line or name == "br":
            self._out.append("\n")
        if name == "hr":
            self._out.append(f"{_RULE}\n")
        elif name == "li" and not closing:
            self._out.append(f"{_BULLET} ")


def _link(label: str, address: str) -> str:
    """Return a link, or label and address as words where a link cannot be made of them."""
    if not label or label == address or (address.lower().startswith("mailto:") and label == address[7:]):
        return label or address
    if unquote(address) == label:
        return label
    if _LINKABLE.fullmatch(address) and not any(sign in label for sign in "<>"):
        return f'<a href="{address}">{label}</a>'
    return f"{label} ({address})"


def _attribute(tag: str, name: str) -> str:
    """Return the value of an HTML tag's attribute, "" where it has none."""
    found = re.search(rf"""\s{name}\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+))""", tag, re.IGNORECASE)
    return unescape(next((value for value in found.groups() if value), "")).strip() if found else ""


class _Page:
    """Writes the blocks of one parsed text."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._source = text.split("\n")
        self._tokens = tokens
        self._closes = _closing_positions(tokens)
        self._writers: Mapping[str, Callable[[int, int], list[str]]] = {
            "heading_open": self._heading,
            "bullet_list_open": self._list,
            "ordered_list_open": self._list,
            "blockquote_open": self._quote,
            "fence": self._fence,
            "hr": self._rule,
            "table_open": self._table,
            "paragraph_open": self._paragraph,
        }

    def lines(self) -> list[str]:
        """Return the lines of the whole text."""
        return self._blocks(0, len(self._tokens))

    def _blocks(self, start: int, stop: int) -> list[str]:
        """Return the lines of the blocks from ``start`` to before ``stop``, as far apart as their writer set them."""
        lines: list[str] = []
        for at, close in self._siblings(start, stop):
            block = self._writers[self._tokens[at].type](at, close)
            if block:
                if lines and self._follows_blank_line(at):
                    lines.append("")
                lines += block
        return lines

    def _siblings(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the positions of each token on the level of ``start`` and of its closing token (itself if single)."""
        while start < stop:
            yield start, self._closes[start]
            start = self._closes[start] + 1

    def _follows_blank_line(self, at: int) -> bool:
        first_line = (self._tokens[at].map or [0])[0]
        return first_line > 0 and not self._source[first_line - 1].strip(" \t>")

    def _paragraph(self, at: int, _: int) -> list[str]:
        text = self._words(at + 1)
        return text.split("\n") if text else []

    def _heading(self, at: int, _: int) -> list[str]:
        text = self._words(at + 1)
        if not text:
            return []
        return [text if text.startswith("【") and text.endswith("】") else f"【{text}】"]

    def _rule(self, _at: int, _: int) -> list[str]:
        return [_RULE]

    def _fence(self, at: int, _: int) -> list[str]:
        token = self._tokens[at]
        info = token.info.strip()
        code = [_literal(line) for line in token.content.removesuffix("\n").split("\n")]
        # Words after the fence are kept, a mere language is not: ```python
        return code if _LANGUAGE.fullmatch(info) else [_literal(info), *code]

    def _quote(self, at: int, close: int) -> list[str]:
        return [(_QUOTE + line).rstrip() for line in self._blocks(at + 1, close)]

    def _list(self, at: int, close: int) -> list[str]:
        lines: list[str] = []
        number = 0
        for item, end in self._siblings(at + 1, close):
            token = self._tokens[item]
            body = self._blocks(item + 1, end)
            task = _TASK.match(body[0]) if body else None
            if task:
                marker = _OPEN_TASK if task[1] == " " else _DONE_TASK
                body[0] = body[0][task.end() :]
            elif token.info:
                # As written while the numbers rise; counted where the writer left that to the reader (1. 1. 1.).
                number = int(token.info) if not lines else max(number + 1, int(token.info))
                marker = f"{number}{token.markup}"
            else:
                marker = _BULLET
            if lines and self._follows_blank_line(item):
                lines.append("")
            lines.append(f"{marker} {body[0]}" if body else marker)
            lines += [_INDENT + line if line else "" for line in body[1:]]
        return lines

    def _table(self, at: int, close: int) -> list[str]:
        """Two columns read well side by side on a phone; more become one item a row, each cell under its heading."""
        rows = [
            self._cells(row, end)
            for part, part_end in self._siblings(at + 1, close)
            for row, end in self._siblings(part + 1, part_end)
        ]
        head, body = rows[0], rows[1:]
        if len(head) <= 2 or not body:
            return [_CELL_GAP.join(cell or _EMPTY_CELL for cell in row) for row in rows]
        lines: list[str] = []
        for row in body:
            pairs = [_pair(*both) for both in zip(head, row, strict=True) if any(both)]
            lines += [(_INDENT if n else f"{_BULLET} ") + pair for n, pair in enumerate(pairs)]
        return lines

    def _cells(self, at: int, close: int) -> list[str]:
        """Return a row's cells. What stands beyond the last column, which the parser leaves out, joins the last one."""
        cells = [" ".join(self._words(cell + 1).split()) for cell, _ in self._siblings(at + 1, close)]
        line = (self._tokens[at].map or [0])[0]
        written = escapedSplit(self._source[line].strip(" \t>"))
        written = written[written[:1] == [""] : len(written) - (written[-1:] == [""])]
        beyond = [cell.strip() for cell in written[len(cells) :]]
        cells[-1] = _CELL_GAP.join([cells[-1], *map(_literal, filter(None, beyond))])
        return cells

    def _words(self, at: int) -> str:
        return _Words().read(self._tokens[at].children or ())


def _pair(heading: str, cell: str) -> str:
    return f"{heading}：{cell or _EMPTY_CELL}" if heading else cell


def _closing_positions(tokens: Sequence[Token]) -> list[int]:
    """Return for each token the position of the one that closes it: its own for single and for closing tokens."""
    positions = list(range(len(tokens)))
    open_ones: list[int] = []
    for at, token in enumerate(tokens):
        if token.nesting > 0:
            open_ones.append(at)
        elif token.nesting < 0:
            positions[open_ones.pop()] = at
    return positions
