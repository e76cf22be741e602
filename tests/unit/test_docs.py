"""The documentation tells what the code does: every public name is on its page, and every page's links lead somewhere."""

from __future__ import annotations

import ast
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import errors
from frontdesk.channels import wecom_errcodes
from frontdesk.fastgpt import errors_table, transport
from ops.deployment import setting_name
from ops.template import load_template

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "frontdesk" / "frontdesk"
SOURCES = [*sorted(PACKAGE.rglob("*.py")), *sorted((ROOT / "functions").glob("*/*.py"))]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "simulators").rglob("*.md")),
]
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
KINDS = {
    errors.MisconfiguredError: "misconfigured",
    errors.PermanentError: "permanent",
    errors.TransientError: "transient",
}
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def configuration() -> str:
    return text_of(ROOT / "docs" / "configuration.md")


def section(heading: str) -> str:
    """Return what stands under ``heading`` of the configuration page, its own subsections included."""
    level = heading.split(maxsplit=1)[0]
    pattern = rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{len(level)}}} |\Z)"
    found = re.search(pattern, configuration(), re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def quoted(text: str) -> set[str]:
    """Return everything that stands in backticks."""
    return set(re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table row in ``text``, without heads and rules."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    rules = {number for number, row in enumerate(cells) if set("".join(row)) <= set("-: ")}
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


@cache
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = load_template(ROOT / "template.yaml")
    return loaded


@cache
def nodes() -> tuple[ast.AST, ...]:
    return tuple(node for path in SOURCES for node in ast.walk(ast.parse(text_of(path))))


def calls_of(*names: str) -> Iterator[ast.Call]:
    """Yield every call of a function or method with one of these names."""
    for node in nodes():
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in names:
                yield node


def constants(node: ast.AST | None) -> Iterator[str]:
    """Yield the texts that ``node`` is, or chooses from."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from constants(node.body)
        yield from constants(node.orelse)


def literal_codes() -> set[str]:
    """Return the error codes that are written out in the sources."""
    found = set()
    for node in nodes():
        if isinstance(node, ast.keyword) and node.arg == "code":
            found |= set(constants(node.value))
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    found |= set(constants(value))
        elif isinstance(node, ast.Assign) and [getattr(each, "id", "") for each in node.targets] == ["code"]:
            found |= set(constants(node.value))
        elif isinstance(node, ast.IfExp | ast.Constant):
            found |= {each for each in constants(node) if re.fullmatch(r"(?:fastgpt|wecom)_[a-z_]*[a-z]", each)}
    return found - {"", "wecom_app", "wecom_kf"}  # none, and the channels


def service_codes() -> set[str]:
    """Return the codes made of a service's name and an ending."""
    endings = ("failed", "refused", "unreachable")
    boto3 = {name for call in calls_of("translated") for name in constants(call.args[0])}
    signed = {each for call in calls_of("SignedJson") for key in call.keywords if key.arg == "service"
              for each in constants(key.value)}  # fmt: skip
    assert boto3
    assert signed
    return {f"{name}_{ending}" for name in boto3 | signed for ending in endings} | {
        f"{name}_conflict" for name in boto3
    }


class TestSettings:
    def test_every_parameter_is_described_with_its_setting_and_default(self) -> None:
        described = {row[1].strip("`"): row for row in rows(section("## Settings")) if len(row) == 5}
        assert set(described) == set(template()["Parameters"])
        for name, definition in template()["Parameters"].items():
            setting, _, default, _, _ = described[name]
            assert setting in {f"`{setting_name(name)}`", "–"}, name
            if "Default" not in definition:
                assert default == "no default", name
            elif name.endswith("Text"):
                assert default == "a Chinese sentence", name
            else:
                assert default.strip("`") == (str(definition["Default"]) or "empty"), name

    def test_every_bound_of_a_parameter_is_described(self) -> None:
        described = {row[1].strip("`"): row[3] for row in rows(section("## Settings")) if len(row) == 5}
        for name, definition in template()["Parameters"].items():
            numbers = re.findall(r"\d+", described[name])
            for bound in ("MinValue", "MaxValue", "MaxLength"):
                if bound in definition:
                    assert str(definition[bound]) in numbers, (name, bound)
            for value in definition.get("AllowedValues", []):
                assert str(value) in re.split(r", ", described[name]), (name, value)

    def test_every_line_of_the_example_is_described(self) -> None:
        listed = set(re.findall(r"^([A-Z_]+)=", text_of(ROOT / ".env.example"), re.MULTILINE))
        assert listed <= quoted(section("## Settings"))

    @pytest.mark.parametrize(
        "function",
        [name for name, resource in template()["Resources"].items() if resource["Type"] == "AWS::Serverless::Function"],
    )
    def test_every_variable_of_a_function_is_in_its_row(self, function: str) -> None:
        part = section("## What each function is given")
        (row,) = [row for row in rows(part) if row[0] == f"`{function}`"]
        own = template()["Resources"][function]["Properties"]["Environment"]["Variables"]
        assert quoted(row[1]) == set(own)
        shared = template()["Globals"]["Function"]["Environment"]["Variables"]
        assert set(shared) <= quoted(part)

    def test_every_secret_is_described_with_its_values(self) -> None:
        described = {row[0].strip("`"): quoted(row[1]) for row in rows(section("## Secrets"))}
        for name, resource in template()["Resources"].items():
            if resource["Type"] == "AWS::SecretsManager::Secret":
                generated = resource["Properties"].get("GenerateSecretString", {}).get("GenerateStringKey")
                held = {generated} if generated else set(re.findall(r'[A-Z_]{8,}(?=")', str(resource["Properties"])))
                assert held
                assert described.pop(name) == held
        assert described == {}


class TestCommands:
    def test_every_target_is_described_and_every_described_target_exists(self) -> None:
        targets = set(re.findall(r"^([a-z]+):.*## ", text_of(ROOT / "Makefile"), re.MULTILINE))
        described = {each.removeprefix("make ") for row in rows(section("## Commands")) for each in quoted(row[0])}
        assert described == targets - {"help"}

    def test_no_page_names_a_target_that_is_not_there(self) -> None:
        targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
        for page in PAGES:
            named = {match for quote in quoted(text_of(page)) for match in re.findall(r"^make ([a-z]+)", quote)}
            assert named <= targets, page


class TestDeployment:
    def test_every_resource_is_named(self) -> None:
        assert set(template()["Resources"]) <= quoted(section("## Resources") + section("## Alarms"))

    def test_every_output_is_named(self) -> None:
        assert set(template()["Outputs"]) <= quoted(section("## Resources"))

    def test_what_stays_when_the_stack_is_deleted_is_said(self) -> None:
        stays = {
            name
            for name, resource in template()["Resources"].items()
            if str(resource.get("DeletionPolicy", "")).startswith("Retain")
        }
        described = {
            name: row[2] for row in rows(section("## Resources")) if len(row) == 3 for name in quoted(row[0])
        }  # fmt: skip
        assert all(described[name] for name in stays)

    def test_every_alarm_leads_to_its_runbook_entry(self) -> None:
        lines = [row for row in rows(section("## Alarms")) if len(row) == 2]
        for name, resource in template()["Resources"].items():
            if resource["Type"] in {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"}:
                anchor = resource["Properties"]["AlarmDescription"].rpartition("#")[2]
                found = [row for row in lines if name in quoted(row[0])]
                assert found, name
                assert any(f"operations.md#{anchor})" in row[1] for row in found), name

    def test_the_number_of_alarms_is_right_wherever_it_is_said(self) -> None:
        alarms = sum(each["Type"] == "AWS::CloudWatch::Alarm" for each in template()["Resources"].values())
        of_now = [page for page in PAGES if page.name != "CHANGELOG.md"]  # that one tells how many there were
        said = [number for page in of_now for number in re.findall(r"(\d+) alarms", text_of(page))]
        assert said
        assert set(said) == {str(alarms)}


class TestTelemetry:
    def test_every_metric_is_described_and_every_described_metric_is_written(self) -> None:
        writers = [*(ROOT / "functions").glob("*/*.py"), ROOT / "layers/frontdesk/frontdesk/bootstrap.py"]
        handlers = "\n".join(map(text_of, writers))
        others = {
            "Records",
            "OldImage",
            "SequenceNumber",
            "Service",
            "ApproximateReceiveCount",
            "MessageGroupId",
            "WeCom",
            "Message",
            "Sns",
            "NewStateValue",
            "AlarmName",
            "AlarmDescription",
            "DeploymentId",
            "LifecycleEventHookExecutionId",
        }
        written = set(re.findall(r'"((?:[A-Z][a-z]+)+)"', handlers)) - others
        # What happens beside a message's result is counted where it happens.
        beside = [
            call for call in calls_of("append") if getattr(getattr(call.func, "value", None), "attr", "") == "counted"
        ]
        written |= {name for call in beside for name in constants(call.args[0])}
        filters = [each for each in template()["Resources"].values() if each["Type"] == "AWS::Logs::MetricFilter"]
        written |= {each["Properties"]["MetricTransformations"][0]["MetricName"] for each in filters}
        described = {row[0].strip("`") for row in rows(section("## Metrics"))}
        assert described == written

    def test_every_stage_is_described(self) -> None:
        stages = {each for call in calls_of("reached") for each in constants(call.args[0])} | {"archived"}
        described = {row[0].strip("`") for row in rows(section("### The way of a message"))}
        assert described == stages

    def test_every_field_of_a_log_line_is_described(self) -> None:
        fields = {key.arg for call in calls_of("reached") for key in call.keywords if key.arg}
        for node in nodes():
            if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
                fields |= {name for key in node.value.keys for name in constants(key)}
        described = quoted(section("## Log lines"))
        assert {"stage", "at_ms", "code", "attempt"} <= fields
        assert fields <= described

    def test_every_message_of_a_log_line_is_described(self) -> None:
        logged = {
            each
            for call in calls_of("warning", "error", "exception", "info")
            for each in constants(call.args[0])
            if not each.startswith("message %")
        } | {each for call in calls_of("log") for each in constants(call.args[1])}
        described = {row[0].strip("`") for row in rows(section("### Messages"))}
        assert described == logged


class TestErrorCodes:
    def test_every_code_is_described(self) -> None:
        described = quoted(section("## Error codes"))
        codes = literal_codes() | service_codes()
        assert {"signature_mismatch", "fastgpt_out_of_points", "sqs_failed", "ledger_conflict", "unexpected"} <= codes
        log_fields = {each for each in codes if each in quoted(section("## Log lines"))}
        assert codes - log_fields <= described

    def test_every_described_code_exists(self) -> None:
        made_up = {"wecom_<errcode>", "wecom_http_<status>", "wecom_invaliduser", "wecom_unlicenseduser"}
        described = {
            each
            for row in rows(section("## Error codes"))
            for cell in row[:2]
            for each in quoted(cell)
            if re.fullmatch(r"[a-z]+_[a-z_<>]+", each)
        }
        assert described - made_up <= literal_codes() | service_codes()

    def test_each_of_fastgpts_is_of_the_kind_that_the_page_says(self) -> None:
        described = {row[0].strip("`"): row[1] for row in rows(section("### FastGPT codes"))}
        verdicts = [each for each in vars(errors_table).values() if isinstance(each, errors_table.Verdict)]
        assert len(verdicts) > 30
        for verdict in verdicts:
            assert described[verdict.code] == KINDS[verdict.kind], verdict.code
        for _, kind, code, _ in transport._FAULTS:
            assert described[code] == KINDS[kind], code

    def test_each_of_wecoms_is_treated_as_the_page_says(self) -> None:
        treated = {
            wecom_errcodes.Policy.RENEW: "a new access token",
            wecom_errcodes.Policy.REPEAT: "repeated",
            wecom_errcodes.Policy.WAIT: "transient, not before",
            wecom_errcodes.Policy.ASK_A_PERSON: "misconfigured",
        }
        described = {
            int(number): row[1]
            for row in rows(section("### WeCom codes"))
            if re.fullmatch(r"[-\d, ]+", row[0])
            for number in row[0].split(", ")
        }
        listed = {*wecom_errcodes._RENEW, *wecom_errcodes._REPEAT, *wecom_errcodes._WAIT, *wecom_errcodes._ADVICE}
        assert set(described) == listed
        for number, what in described.items():
            assert what.startswith(treated[wecom_errcodes.classify(number)]), number

    def test_the_failure_table_and_the_runbook_name_codes_that_exist(self) -> None:
        known = literal_codes() | service_codes()
        for page in (ROOT / "docs" / "architecture.md", ROOT / "docs" / "operations.md", *READMES):
            named = {each for each in quoted(text_of(page)) if re.fullmatch(r"(?:fastgpt|sqs|ledger)_[a-z_]+", each)}
            assert named <= known, page


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    kept = [each for each in plain if each in "-_ " or unicodedata.category(each)[0] in "LNM"]
    return "".join(kept).replace(" ", "-")


@cache
def anchors(page: Path) -> set[str]:
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", FENCE.sub("", text_of(page)), re.MULTILINE):
        name, number = slug(heading), 0
        while f"{name}-{number}" * bool(number) + name * (not number) in found:
            number += 1
        found.add(f"{name}-{number}" if number else name)
    return found


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Yield path and anchor of every link of ``page`` that stays in the repository."""
    prose = re.sub(r"`[^`\n]+`", "", FENCE.sub("", text_of(page)))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


class TestPages:
    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
    def test_every_link_leads_to_a_file_and_a_heading_that_exist(self, page: Path) -> None:
        for path, anchor in links(page):
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), path
            assert target.is_relative_to(ROOT), path
            if anchor:
                assert anchor in anchors(target), f"{path}#{anchor}"

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
    def test_every_file_that_is_named_exists(self, page: Path) -> None:
        folders = (ROOT, PACKAGE, page.parent, ROOT / "tests" / "architecture")
        for name in quoted(text_of(page)):
            if re.fullmatch(r"[\w./-]+/[\w.-]+\.(?:py|md|yaml|toml|txt|in)|[\w-]+\.(?:py|md|yaml|toml)", name):
                assert any((folder / name).exists() for folder in folders), name

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
    def test_nothing_is_left_over_from_writing(self, page: Path) -> None:
        assert re.findall(r"@@|TO" r"DO|FIX" r"ME|\bTBD\b|/(?:work|root|home)/", text_of(page)) == []

    def test_every_page_is_reached_from_the_readme(self) -> None:
        reached: set[Path] = set()
        waiting = [ROOT / "README.md"]
        while waiting:
            page = waiting.pop()
            if page not in reached and page.suffix == ".md" and page.exists():
                reached.add(page)
                waiting += [(page.parent / path).resolve() for path, _ in links(page) if path]
        assert set(PAGES) <= reached

    def test_every_decision_is_in_the_list_under_its_own_title(self) -> None:
        listed = dict(re.findall(r"\[(\d{4})\]\(([^)]+)\)", text_of(ROOT / "docs" / "adr" / "README.md")))
        written = {path.name[:4]: path.name for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
        assert listed == written
        for number, name in written.items():
            assert text_of(ROOT / "docs" / "adr" / name).startswith(f"# {number} ")

    def test_the_changelog_has_the_version_of_the_project(self) -> None:
        (version,) = re.findall(r'^version = "(.+)"$', text_of(ROOT / "pyproject.toml"), re.MULTILINE)
        assert re.search(
            rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE
        )


class TestBothLanguages:
    def test_they_have_the_same_sections(self) -> None:
        english, chinese = (re.findall(r"^(#+) ", FENCE.sub("", text_of(page)), re.MULTILINE) for page in READMES)
        assert english == chinese

    def test_they_have_the_same_commands(self) -> None:
        english, chinese = (
            [re.sub(r"\s+#.*$", "", block, flags=re.MULTILINE) for block in FENCE.findall(text_of(page))]
            for page in READMES
        )
        assert english
        assert english == chinese

    def test_they_have_the_same_names_pictures_and_outside_links(self) -> None:
        english, chinese = (quoted(text_of(page)) for page in READMES)
        assert english == chinese
        english_links, chinese_links = (
            {
                (path.replace(".zh-CN.png", ".png"), "" if path == "" else anchor)
                for path, anchor in links(page)
                if not path.startswith("README")
            }
            for page in READMES
        )
        assert english_links == chinese_links

    def test_they_have_the_same_number_of_points_and_rows(self) -> None:
        english, chinese = (
            [line[:2] for line in FENCE.sub("", text_of(page)).splitlines() if re.match(r"[-|]|\d+\. ", line)]
            for page in READMES
        )
        assert english == chinese
