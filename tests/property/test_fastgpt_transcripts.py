"""Every transcript gives the same result wherever its bytes are cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.errors import FrontdeskError
from frontdesk.fastgpt.reply import ReplyReader
from frontdesk.messages import ModelAnswer

FOLDER = Path(__file__).parent.parent / "vectors" / "fastgpt"
TRANSCRIPTS = sorted(path for path in FOLDER.iterdir() if path.suffix in {".sse", ".json", ".html"})


def replay(body: bytes, places: list[int]) -> ModelAnswer | tuple[type, str, str]:
    reader = ReplyReader()
    try:
        for start, end in zip([0, *places], [*places, len(body)], strict=True):
            reader.feed(body[start:end])
        return reader.finish()
    except FrontdeskError as error:
        return type(error), error.code, str(error)


def test_there_are_transcripts_to_replay() -> None:
    assert TRANSCRIPTS


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.name)
def test_a_transcript_in_single_bytes_reads_as_in_one_piece(path: Path) -> None:
    body = path.read_bytes()

    assert replay(body, list(range(1, len(body)))) == replay(body, [])


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.name)
@settings(max_examples=20)
@given(st.data())
def test_a_transcript_cut_anywhere_reads_as_in_one_piece(path: Path, data: st.DataObject) -> None:
    body = path.read_bytes()
    places = sorted(data.draw(st.sets(st.integers(1, len(body) - 1), max_size=12)))

    assert replay(body, places) == replay(body, [])


@pytest.mark.parametrize("path", [path for path in TRANSCRIPTS if path.suffix == ".sse"], ids=lambda path: path.name)
@settings(max_examples=20)
@given(st.data())
def test_a_stream_that_breaks_off_never_gives_half_an_answer(path: Path, data: st.DataObject) -> None:
    body = path.read_bytes()
    kept = body[: data.draw(st.integers(0, len(body) - 1))]

    whole, half = replay(body, []), replay(kept, [])
    if isinstance(half, ModelAnswer):
        assert isinstance(whole, ModelAnswer)
        assert half.pause == whole.pause
        assert half.text == whole.text
