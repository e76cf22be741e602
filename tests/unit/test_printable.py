"""What neither XML nor a reader knows is dropped, and nothing else."""

from __future__ import annotations

from frontdesk.channels.printable import printable


def is_xml(code: int) -> bool:
    """Return whether XML 1.0 (production 2, Char) allows the character."""
    return code in {0x9, 0xA, 0xD} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF


def test_exactly_the_characters_that_xml_allows_are_kept():
    assert all(printable(chr(code)) == (chr(code) if is_xml(code) else "") for code in range(0x110000))


def test_the_rest_of_a_text_stays_as_it_is():
    assert printable("订单\x00 8812\ud800\n😀") == "订单 8812\n😀"
