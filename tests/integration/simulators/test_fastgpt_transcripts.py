"""The transcripts under tests/vectors/fastgpt are what their README says, so that replaying them proves something."""

import json
import re
from pathlib import Path

import pytest

from tests.integration.simulators.fastgpt_server import events_of, named, said

VECTORS = Path(__file__).parents[2] / "vectors" / "fastgpt"
STREAMS = sorted(path.name for path in VECTORS.glob("*.sse"))
UNFINISHED = {
    "stream_cut.sse",
    "stream_cut_mid_event.sse",
    "stream_error_after_words.sse",
    "stream_error_listed.sse",
    "stream_error_unlisted.sse",
}


def test_the_readme_describes_every_transcript_and_no_other() -> None:
    described = re.findall(r"^\| `([^`]+)`", (VECTORS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(described) == sorted(path.name for path in VECTORS.iterdir() if path.name != "README.md")


@pytest.mark.parametrize("name", [name for name in STREAMS if name != "stream_cut_mid_event.sse"])
def test_a_stream_is_whole_unless_it_is_meant_to_break_off(name: str) -> None:
    text = (VECTORS / name).read_text(encoding="utf-8")
    assert text.endswith("\n\n")
    events = events_of(text)
    assert ("[DONE]" in [data for _, data in events]) == (name not in UNFINISHED)


def test_one_stream_breaks_off_inside_an_event() -> None:
    with pytest.raises(json.JSONDecodeError):
        events_of((VECTORS / "stream_cut_mid_event.sse").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: path.name)
def test_an_answer_in_one_piece_is_a_completion_or_an_envelope(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    assert ("statusText" in body) == path.name.startswith("error_")
    assert ("choices" in body) == path.name.startswith("json_")


@pytest.mark.parametrize(
    "name",
    ["stream_detail_done_last.sse", "stream_detail_done_first.sse", "stream_bare_score.sse"],
)
def test_the_same_run_says_the_same_on_every_version(name: str) -> None:
    events = events_of((VECTORS / name).read_text(encoding="utf-8"))
    assert said(events).startswith("带身份证到一楼服务台，五分钟办好，**不收费**。[")
    assert len(named(events, "flowResponses")) == 1
    assert (events[-1] == ("answer", "[DONE]")) == (name == "stream_detail_done_last.sse")


@pytest.mark.parametrize("name", [name for name in STREAMS if "empty" in name or "pause" in name])
def test_some_streams_end_without_a_word(name: str) -> None:
    assert said(events_of((VECTORS / name).read_text(encoding="utf-8"))) == ""
