"""What a log line and a metric line hold, and what they never hold."""

from __future__ import annotations

import io
import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.metrics import MetricValueError

from frontdesk.errors import SettingsError, TransientError
from frontdesk.telemetry import LOGGER_NAME, NAMESPACE, SafeFormatter, build_logger, emit_metrics

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "MarkedWordsOfACustomer"
PHONE, EMAIL, CARD = "13812345678", "chen.xiao@example.com", "6222021234567890128"


@pytest.fixture
def log() -> logging.Logger:
    """Return the logger of a module of the package: it knows nothing of Powertools."""
    return logging.getLogger("frontdesk.conversation")


def raise_foreign() -> None:
    raise ValueError(SECRET)


def raise_foreign_with_notes() -> None:
    error = ValueError(SECRET)
    error.add_note(f"a note about {SECRET}")
    raise error


def raise_ours() -> None:
    raise TransientError("the queue was slow")


def raise_ours_from_foreign() -> None:
    try:
        raise_foreign()
    except ValueError as error:
        raise TransientError("the queue was slow") from error


def raise_ours_while_handling_foreign() -> None:
    try:
        raise_foreign()
    except ValueError:
        raise_ours()


def raise_ours_without_the_foreign() -> None:
    try:
        raise_foreign()
    except ValueError:
        raise TransientError("the queue was slow") from None


def raise_group() -> None:
    raise ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)])


class TalkativeError(TransientError):
    """A subclass is one of ours too."""


class TestLogging:
    def test_a_line_is_one_json_object_with_the_build(self, log: logging.Logger, log_lines: Callable[[], Any]):
        log.info("message %s", "queued", extra={"stage": "queued", "at_ms": 5, "text": "你好"})
        (line,) = log_lines()
        assert line["message"] == "message queued"
        assert (line["level"], line["service"], line["build"]) == ("INFO", "frontdesk", "test")
        assert (line["stage"], line["at_ms"], line["text"]) == ("queued", 5, "你好")

    @pytest.mark.parametrize(
        "failing",
        [
            raise_foreign,
            raise_foreign_with_notes,
            raise_ours_from_foreign,
            raise_ours_while_handling_foreign,
            raise_ours_without_the_foreign,
            raise_group,
        ],
    )
    def test_the_text_of_a_foreign_exception_is_never_told(
        self, failing: Callable[[], None], log: logging.Logger, log_lines: Callable[[], Any]
    ):
        try:
            failing()
        except Exception:
            log.exception("failed", extra={"code": "unexpected"})
        (line,) = log_lines()
        assert SECRET not in json.dumps(line)
        assert failing.__name__ in line["exception"]

    def test_a_foreign_exception_is_told_by_type_and_place(self, log: logging.Logger, log_lines: Callable[[], Any]):
        try:
            raise_foreign()
        except ValueError as error:
            log.warning("failed", exc_info=error)
        (line,) = log_lines()
        assert line["exception"].splitlines()[-1] == "builtins.ValueError"
        assert line["exception_name"] == "ValueError"
        assert f"{__file__}:" in line["exception"]

    def test_the_text_of_our_own_error_is_told(self, log: logging.Logger, log_lines: Callable[[], Any]):
        try:
            raise_ours()
        except TransientError:
            log.exception("failed")
        (line,) = log_lines()
        assert line["exception"].endswith("frontdesk.errors.TransientError: the queue was slow")

    def test_so_is_that_of_an_error_under_it(self, log: logging.Logger, log_lines: Callable[[], Any]):
        log.error("failed", exc_info=TalkativeError("no place at all"))
        (line,) = log_lines()
        assert line["exception"] == f"{TalkativeError.__module__}.TalkativeError: no place at all"

    @pytest.mark.parametrize("failing", [raise_ours_from_foreign, raise_ours_while_handling_foreign])
    def test_what_an_error_came_from_is_told_before_it(
        self, failing: Callable[[], None], log: logging.Logger, log_lines: Callable[[], Any]
    ):
        try:
            failing()
        except TransientError:
            log.exception("failed")
        (line,) = log_lines()
        first, last = line["exception"].split("\nwhich led to\n")
        assert first.endswith("builtins.ValueError")
        assert last.endswith("TransientError: the queue was slow")

    def test_what_was_suppressed_stays_untold(self, log: logging.Logger, log_lines: Callable[[], Any]):
        try:
            raise_ours_without_the_foreign()
        except TransientError:
            log.exception("failed")
        assert "ValueError" not in log_lines()[0]["exception"]

    def test_errors_that_point_at_each_other_are_told_once(self, log: logging.Logger, log_lines: Callable[[], Any]):
        one, other = TransientError("one"), TransientError("other")
        one.__cause__, other.__cause__ = other, one
        log.error("failed", exc_info=one)
        assert log_lines()[0]["exception"].count("TransientError") == 2

    def test_nothing_is_told_of_no_exception(self, log: logging.Logger, log_lines: Callable[[], Any]):
        log.error("failed", exc_info=True)  # noqa: LOG014  # what a careless line does
        (line,) = log_lines()
        assert not line.get("exception")
        assert SafeFormatter().formatException((None, None, None)) == ""

    def test_problems_of_settings_are_told(self, log: logging.Logger, log_lines: Callable[[], Any]):
        log.error("cannot start", exc_info=SettingsError(["WECOM_TOKEN is missing"]))
        assert "WECOM_TOKEN is missing" in log_lines()[0]["exception"]

    @pytest.mark.parametrize(("level", "lines"), [("DEBUG", 2), ("INFO", 1), ("ERROR", 0)])
    def test_the_level_is_the_environments(self, level: str, lines: int, fresh_logger: logging.Logger):
        build_logger({"POWERTOOLS_LOG_LEVEL": level})
        captured = io.StringIO()
        for handler in fresh_logger.handlers:
            handler.setStream(captured)
        fresh_logger.debug("fine")
        fresh_logger.info("coarse")
        written = [json.loads(line) for line in captured.getvalue().splitlines()]
        assert len(written) == lines
        assert all(line["build"] == "unknown" for line in written)

    def test_the_logger_may_be_asked_for_twice(self, fresh_logger: logging.Logger):
        assert build_logger({}) is build_logger({}) is fresh_logger
        assert fresh_logger.name == LOGGER_NAME
        assert len(fresh_logger.handlers) == 1


class TestRedaction:
    """The last wall: for the day when somebody logs what nobody should."""

    def test_the_message_its_fields_and_what_is_in_them_are_redacted(
        self, log: logging.Logger, log_lines: Callable[[], Any]
    ):
        log.info(
            "asked by %s",
            PHONE,
            extra={
                "who": f"mail {EMAIL}",
                "nested": {"list": [PHONE, ("x", {EMAIL})], PHONE: 1},
                "number": int(PHONE),
                "raw": PHONE.encode(),
                "url": "/send?access_token=MarkedToken",
            },
        )
        (line,) = log_lines()
        assert line["message"] == "asked by [redacted phone]"
        assert line["who"] == "mail [redacted e-mail]"
        assert line["nested"] == {
            "list": ["[redacted phone]", ["x", ["[redacted e-mail]"]]],
            "[redacted phone]": 1,
        }
        assert (line["number"], line["raw"]) == ("[redacted phone]", "b'[redacted phone]'")
        assert line["url"] == "/send?access_token=[redacted secret]"

    def test_a_message_that_is_json_or_a_mapping_is_redacted_too(
        self, log: logging.Logger, log_lines: Callable[[], Any]
    ):
        log.info(f'{{"from": "{EMAIL}"}}')  # noqa: G004  # what a careless line does
        log.info({"from": EMAIL})
        log.info(PHONE)
        assert [line["message"] for line in log_lines()] == [
            {"from": "[redacted e-mail]"},
            {"from": "[redacted e-mail]"},
            "[redacted phone]",
        ]

    def test_so_are_the_texts_of_our_own_errors(self, log: logging.Logger, log_lines: Callable[[], Any]):
        log.error("failed", exc_info=TransientError(f"{PHONE} was slow"))
        assert log_lines()[0]["exception"] == "frontdesk.errors.TransientError: [redacted phone] was slow"

    def test_an_error_in_a_field_is_told_by_type(self, log: logging.Logger, log_lines: Callable[[], Any]):
        log.info("failed", extra={"foreign": ValueError(SECRET), "ours": TransientError(f"no {EMAIL}")})
        (line,) = log_lines()
        assert line["foreign"] == "builtins.ValueError"
        assert line["ours"] == "frontdesk.errors.TransientError: no [redacted e-mail]"

    def test_ids_and_times_stay_though_they_could_pass_for_a_card(
        self, log: logging.Logger, log_lines: Callable[[], Any]
    ):
        ids = dict.fromkeys(("message_id", "conversation", "session_id", "question_id", "build"), CARD)
        log.info("queued", extra={**ids, "at_ms": int(CARD), "other": CARD})
        (line,) = log_lines()
        assert {name: line[name] for name in ids} == ids
        assert line["at_ms"] == int(CARD)
        assert line["other"] == "[redacted card]"

    def test_such_a_name_covers_no_more_than_an_id(self, log: logging.Logger, log_lines: Callable[[], Any]):
        log.info("queued", extra={"message_id": [PHONE], "nested": {"message_id": PHONE}})
        (line,) = log_lines()
        assert line["message_id"] == ["[redacted phone]"]
        assert line["nested"] == {"message_id": "[redacted phone]"}

    def test_numbers_and_nothing_stay_what_they_are(self, log: logging.Logger, log_lines: Callable[[], Any]):
        values = {"count": 3, "share": 0.5, "ok": True, "bytes": 10**12, "less": -(10**12), "list": [None]}
        log.info("done", extra=values)
        (line,) = log_lines()
        assert {name: line[name] for name in values} == values

    def test_what_holds_itself_is_told_once_and_redacted(self, log: logging.Logger, log_lines: Callable[[], Any]):
        loop: list[Any] = [PHONE]
        loop.append(loop)
        log.info("done", extra={"loop": loop})
        (line,) = log_lines()
        assert PHONE not in json.dumps(line)
        assert line["loop"][1][1][0] == "[redacted phone]"


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def metrics_of(line: dict[str, object]) -> dict[str, object]:
    meta = line["_aws"]
    assert isinstance(meta, dict)
    (group,) = meta["CloudWatchMetrics"]
    assert isinstance(group, dict)
    return group


class TestMetrics:
    def test_a_count_is_one_line_with_the_channel_as_its_only_dimension(self, capsys: pytest.CaptureFixture[str]):
        emit_metrics("wecom_app", {"Accepted": [1]})
        (line,) = emitted(capsys)
        timestamp = line["_aws"].pop("Timestamp")
        assert timestamp > 1_700_000_000_000
        assert line == {
            "_aws": {
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Frontdesk",
                        "Dimensions": [["channel"]],
                        "Metrics": [{"Name": "Accepted", "Unit": "Count"}],
                    }
                ]
            },
            "channel": "wecom_app",
            "Accepted": [1.0],
        }
        assert NAMESPACE == "Frontdesk"

    def test_durations_are_milliseconds_and_all_samples_are_kept(self, capsys: pytest.CaptureFixture[str]):
        emit_metrics("wecom_app", {"ResponseTime": [120, 80.5], "ModelTime": (7,), "FirstResponseTime": iter([1])})
        (line,) = emitted(capsys)
        assert {m["Name"]: m["Unit"] for m in metrics_of(line)["Metrics"]} == {
            "ResponseTime": "Milliseconds",
            "ModelTime": "Milliseconds",
            "FirstResponseTime": "Milliseconds",
        }
        assert (line["ResponseTime"], line["ModelTime"], line["FirstResponseTime"]) == ([120.0, 80.5], [7.0], [1.0])

    def test_a_metric_without_a_sample_is_left_out(self, capsys: pytest.CaptureFixture[str]):
        emit_metrics("wecom_app", {"Accepted": [1], "Rejected": []})
        (line,) = emitted(capsys)
        assert "Rejected" not in line

    def test_nothing_is_written_for_nothing(self, capsys: pytest.CaptureFixture[str]):
        emit_metrics("wecom_app", {})
        emit_metrics("wecom_app", {"Rejected": []})
        assert emitted(capsys) == []

    def test_channels_and_values_of_one_line_do_not_reach_the_next(self, capsys: pytest.CaptureFixture[str]):
        emit_metrics("wecom_app", {"Accepted": [1]})
        emit_metrics("another", {"Rejected": [1]})
        one, other = emitted(capsys)
        assert (one["channel"], other["channel"]) == ("wecom_app", "another")
        assert "Accepted" not in other

    def test_what_a_broken_line_left_behind_does_not_reach_the_next(self, capsys: pytest.CaptureFixture[str]):
        with pytest.raises(MetricValueError):
            emit_metrics("wecom_app", {"Accepted": [1], "Rejected": ["many"]})
        emit_metrics("another", {"Answered": [1]})
        (line,) = emitted(capsys)
        assert (line["channel"], line["Answered"]) == ("another", [1.0])
        assert "Accepted" not in line

    def test_the_service_name_of_the_logger_is_no_dimension(self, capsys: pytest.CaptureFixture[str]):
        emit_metrics("wecom_app", {"Accepted": [1]})
        (line,) = emitted(capsys)
        assert metrics_of(line)["Dimensions"] == [["channel"]]
        assert "service" not in line

    @pytest.mark.parametrize("samples", [99, 100, 101, 200, 250])
    def test_no_sample_is_lost_however_many_there_are(self, samples: int, capsys: pytest.CaptureFixture[str]):
        emit_metrics("wecom_app", {"ResponseTime": range(1, samples + 1)})
        values = [value for line in emitted(capsys) for value in line["ResponseTime"]]
        assert values == list(range(1, samples + 1))


def test_threads_that_count_at_the_same_time_do_not_mix_their_lines(capsys: pytest.CaptureFixture[str]):
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for each in [pool.submit(emit_metrics, f"channel-{n % 2}", {f"Count{n % 2}": [n]}) for n in range(400)]:
                each.result()
    finally:
        sys.setswitchinterval(switch)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 400
    assert all(set(line) == {"_aws", "channel", f"Count{line['channel'][-1]}"} for line in lines)
    assert sorted(value for line in lines for value in line[f"Count{line['channel'][-1]}"]) == list(range(400))
