"""`python -m simulators`: starts from one file, says what is wrong with it, and stops cleanly with pages open."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.__main__ import main
from simulators.console.settings import ConfigError, load_settings, read_settings
from tests.integration.simulators.console_run import document
from tests.integration.simulators.wecom_platform import ENCODING_AES_KEY, SECRET, eventually

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "simulators" / "console" / "static"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_and_at_once_while_a_page_is_open(tmp_path: Path, number: signal.Signals):
    port = free_port()
    config = tmp_path / "simulators.json"
    config.write_text(json.dumps(document(port=port)), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "simulators", "--config", str(config)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
        opened, ended = threading.Event(), threading.Event()

        def follow() -> None:
            with httpx.stream(
                "GET", f"http://127.0.0.1:{port}/console/api/events", trust_env=False, timeout=10
            ) as page:
                for _ in page.iter_lines():
                    opened.set()
            ended.set()

        threading.Thread(target=follow, daemon=True).start()
        assert opened.wait(10)

        process.send_signal(number)

        assert process.wait(10) == 0
        assert ended.wait(10)
        assert process.stdout is not None
        assert process.stdout.read() == b""  # nor did it have to cut anybody off
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"port": 0}, ["port"]),
        ({"callback_url": "ftp://x"}, ["callback_url"]),
        ({"wecom": {"corp_id": "ww1"}}, ["wecom.agent_id", "wecom.secret", "wecom.token", "wecom.encoding_aes_key"]),
        ({"wecom": {**document()["wecom"], "encoding_aes_key": SECRET, "token": "?"}}, ["token", "encoding_aes_key"]),
        ({"fastgpt": {"api_key": "k", "app_id": "short"}}, ["app_id"]),
        ({"aws": {"region": "", "resources": {"Sessions": 5}}}, ["aws.region", "aws.resources.Sessions"]),
        ({"surprise": 1}, ["surprise"]),
    ],
)
def test_everything_wrong_with_the_file_is_named_and_no_value_shown(changes: dict[str, Any], named: list[str]):
    with pytest.raises(ConfigError) as caught:
        read_settings(document(**changes))

    text = str(caught.value)
    assert not [name for name in named if name not in text]
    assert SECRET not in text
    assert ENCODING_AES_KEY not in text


def test_a_file_that_is_not_there_or_not_json_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")

    assert main(["--config", str(tmp_path / "none.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="not JSON"):
        load_settings(broken)


def words(language: str) -> dict[str, str]:
    text = (STATIC / "words.js").read_text(encoding="utf-8")
    part = re.search(rf"^  {language}: \{{\n(.*?)^  \}},$", text, re.MULTILINE | re.DOTALL)
    assert part is not None
    return dict(re.findall(r'^    (\w+): "(.*)",$', part.group(1), re.MULTILINE))


def test_both_languages_say_the_same_things_with_the_same_blanks():
    zh, en = words("zh"), words("en")

    def blanks(sentence: str) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", sentence))

    assert list(zh) == list(en)
    assert [key for key in zh if blanks(zh[key]) != blanks(en[key])] == []


def test_every_word_the_page_asks_for_is_there():
    asked = set(re.findall(r'data-t(?:-\w+)?="(\w+)"', (STATIC / "index.html").read_text(encoding="utf-8")))
    for script in STATIC.glob("*.js"):
        asked |= set(re.findall(r'\bt\(\s*"(\w+)"', script.read_text(encoding="utf-8")))

    assert sorted(asked - set(words("en"))) == []


def test_the_page_never_turns_text_into_markup_and_asks_nobody_else_for_anything():
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), (
            file.name
        )
        addresses = set(re.findall(r"https?://[\w.-]+", text))
        assert addresses <= {"http://www.w3.org"}, file.name
        assert " style=" not in text, file.name
