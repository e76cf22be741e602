from __future__ import annotations

import pytest

from frontdesk.fastgpt.sse import Event, EventParser


def events_of(*pieces: bytes) -> list[Event]:
    parser = EventParser()
    found = [event for piece in pieces for event in parser.feed(piece)]
    return found + parser.close()


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_an_event_ends_at_a_blank_line_whatever_the_line_ending(ending: bytes) -> None:
    stream = ending.join([b"event: answer", b"data: one", b"", b"data: two", b"", b""])

    assert events_of(stream) == [Event("answer", "one"), Event("", "two")]


def test_a_carriage_return_and_its_newline_may_come_in_two_pieces() -> None:
    assert events_of(b"data: one\r", b"\n", b"\r", b"\ndata: two\r\n\r\n") == [Event("", "one"), Event("", "two")]


def test_a_character_split_between_two_pieces_is_read_whole() -> None:
    raw = "data: 电影\n\n".encode()

    assert events_of(raw[:8], raw[8:]) == [Event("", "电影")]


def test_several_data_lines_are_one_text() -> None:
    assert events_of(b"data: one\ndata:two\ndata:  three\n\n") == [Event("", "one\ntwo\n three")]


def test_comments_unknown_fields_and_events_without_data_say_nothing() -> None:
    assert events_of(b": hello\nid: 7\nretry: 10\nevent: empty\n\ndata: one\n\n") == [Event("", "one")]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert events_of(b"\xef\xbb\xbfdata: one\n\n") == [Event("", "one")]


def test_the_last_event_counts_without_its_blank_line() -> None:
    assert events_of(b"event: answer\ndata: [DONE]") == [Event("answer", "[DONE]")]


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    assert events_of(b"data: \xff\xfe\n\n") == [Event("", "\ufffd\ufffd")]
