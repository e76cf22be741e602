"""The benchmark's table says what was measured, and nothing more favourable than that."""

from __future__ import annotations

from pathlib import Path

from bench import figures
from bench.__main__ import FIGURES
from bench.relay import aws_operation, wecom_call
from bench.table import Goal, Row, number, table


def test_a_row_shows_both_sides_their_ratio_and_whether_every_goal_is_met() -> None:
    row = Row("first invoke", 200.0, "ms", baseline=250.0, goals=(Goal(1.15, of="ratio"), Goal(333, inclusive=True)))

    heading, _, line = table([row]).splitlines()

    assert [cell.strip() for cell in heading.split("|")] == ["figure", "ours", "baseline", "ratio", "goal", "met?"]
    assert [cell.strip() for cell in line.split("|")] == [
        "first invoke", "200 ms", "250 ms", "0.80×", "< 1.15× and ≤ 333 ms", "yes",
    ]  # fmt: skip


def test_one_missed_goal_of_two_is_a_miss() -> None:
    row = Row("first invoke", 400.0, "ms", baseline=500.0, goals=(Goal(1.15, of="ratio"), Goal(333)))

    assert row.met is False
    assert table([row]).endswith("NO")


def test_a_limit_itself_is_met_only_where_the_goal_includes_it() -> None:
    assert Row("batch", 60.0, "ms", goals=(Goal(60, inclusive=True),)).met is True
    assert Row("batch", 60.0, "ms", goals=(Goal(60),)).met is False


def test_a_ratio_goal_without_a_baseline_is_not_met() -> None:
    assert Row("start", 1.0, "ms", goals=(Goal(1.15, of="ratio"),)).met is False


def test_a_row_without_goal_or_baseline_claims_neither() -> None:
    row = Row("emulator", 15.5, "ms")

    assert row.met is None
    assert [cell.strip() for cell in table([row]).splitlines()[-1].split("|")] == [
        "emulator", "15.5 ms", "-", "-", "-", "-",
    ]  # fmt: skip


def test_rows_with_the_same_note_refer_to_one_line_under_the_table() -> None:
    rows = [Row("a", 1.0, "ms", note="why"), Row("b", 2.0, "ms", note="why"), Row("c", 3.0, "ms", note="else")]

    lines = table(rows).splitlines()

    assert [line.split("|")[0].strip() for line in lines[2:5]] == ["a [1]", "b [1]", "c [2]"]
    assert lines[-2:] == ["[1] why", "[2] else"]


def test_columns_line_up_beside_chinese_text() -> None:
    rows = [Row("十个会话", 1.0, "ms"), Row("ten conversations", 2.0, "ms")]

    chinese, english = table(rows).splitlines()[2:4]

    assert chinese.index("|") + len("十个会话") == english.index("|")


def test_numbers_have_about_three_digits() -> None:
    assert [number(each) for each in (1234.5, 99.94, 3.14159, -2.5)] == ["1234", "99.9", "3.14", "-2.50"]


def test_the_file_holds_every_sample_behind_a_median() -> None:
    written = Row("start", 2.0, "ms", baseline=4.0, ours_samples=(1.0, 2.0, 3.0), baseline_samples=(4.0,)).as_json()

    assert (written["ratio"], written["ours_samples"], written["baseline_samples"]) == (0.5, [1.0, 2.0, 3.0], [4.0])


def test_every_figure_that_can_be_named_has_its_module_and_every_module_can_be_named() -> None:
    modules = {path.stem for path in Path(str(figures.__file__)).parent.glob("*.py")} - {"__init__"}

    assert modules == set(FIGURES)


def test_a_relayed_call_is_called_as_its_service_calls_it() -> None:
    assert aws_operation("/", {"x-amz-target": "DynamoDB_20120810.PutItem"}) == "PutItem"
    assert wecom_call("/cgi-bin/kf/servicer/list?access_token=a&open_kfid=wk", {}) == "kf/servicer/list"
