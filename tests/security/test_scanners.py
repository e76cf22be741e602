"""The scanners find what they are there for, and none of them is green without having looked."""

from __future__ import annotations

import json
import re
import secrets as chance
import string
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ops.deployment import ROOT
from ops.scan import code, infrastructure, secrets, vulnerabilities
from ops.scan.__main__ import main, report
from ops.scan.outcome import SCANNERS, Outcome, ScanError, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOCK = vulnerabilities.LOCKS[0]
AUDITED = {"name": "requests", "version": "2.34.2", "vulns": []}
SKIPPED = {"name": "requests", "skip_reason": "Dependency not found on PyPI and could not be audited: requests"}
KNOWN = {"id": "PYSEC-2026-1", "fix_versions": ["2.34.3"], "aliases": [], "description": "…"}


@pytest.fixture(scope="module", autouse=True)
def _the_scanners_are_there() -> None:
    assert (SCANNERS / "checkov").is_file(), "run `make scan` once: it installs the scanners"


def ended(stdout: object, status: int = 0, stderr: str = "") -> CompletedProcess[str]:
    text = stdout if isinstance(stdout, str) else json.dumps(stdout)
    return CompletedProcess([], status, text, stderr)


class TestVulnerabilities:
    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            # As it really is without a way to the service: status 0 and "No known vulnerabilities found".
            (ended({"dependencies": [SKIPPED]}, 0, "No known vulnerabilities found\n"), "1 of 1 packages were not"),
            (ended({"dependencies": [AUDITED, SKIPPED]}, 0, "No known vulnerabilities found\n"), "1 of 2 packages"),
            (ended({"dependencies": [{"name": "requests"}]}), "no reason given"),
            (ended({"dependencies": []}), "names no package"),
            (ended({}), "ended with 0"),
            (ended("", 0, ""), "no word"),
            (ended("[]"), "ended with 0"),
            (ended("", 1, "ERROR: could not connect\n"), "could not connect"),
            (ended("<html>proxy</html>", 0), "ended with 0"),
        ],
    )
    def test_what_was_not_audited_is_not_clean(self, answer: CompletedProcess[str], reason: str) -> None:
        outcome = vulnerabilities.scan(lambda _lock: answer)
        assert not outcome.is_clean
        assert outcome.findings == ()
        assert reason in outcome.not_run
        assert LOCK in outcome.not_run

    def test_what_was_audited_and_is_known_is_found(self) -> None:
        outcome = vulnerabilities.judge(LOCK, ended({"dependencies": [{**AUDITED, "vulns": [KNOWN]}]}, 1))
        assert outcome.findings == (f"{LOCK}: requests 2.34.2 has PYSEC-2026-1; cured in: 2.34.3",)

    def test_a_finding_counts_though_other_packages_were_not_audited(self) -> None:
        answer = ended({"dependencies": [{**AUDITED, "vulns": [KNOWN]}, SKIPPED]}, 1)
        outcome = vulnerabilities.scan(lambda _lock: answer)
        assert len(outcome.findings) == 1
        assert outcome.not_run

    def test_only_when_every_lock_was_audited_whole_it_is_clean(self) -> None:
        outcome = vulnerabilities.scan(lambda _lock: ended({"dependencies": [AUDITED]}))
        assert outcome.is_clean
        assert all(lock in outcome.scanned for lock in vulnerabilities.LOCKS)

    def test_every_lock_there_is_is_asked_about(self) -> None:
        locks = {str(path.relative_to(ROOT)) for path in ROOT.glob("requirements/*.txt")} | {LOCK}
        assert set(vulnerabilities.LOCKS) == locks

    def test_the_real_one_answers_in_the_form_that_is_read(self) -> None:
        """Whether the service can be reached or not: its answer is understood, and never an empty green."""
        answer = run(
            str(SCANNERS / "pip-audit"), "--require-hashes", "--disable-pip", "--requirement", "requirements/none.txt"
        )
        assert vulnerabilities.judge("requirements/none.txt", answer).not_run


class TestReport:
    @pytest.mark.parametrize(
        ("outcome", "status", "line"),
        [
            (Outcome("3 files"), 0, "one: clean (3 files, 0 s)"),
            (Outcome("3 files", ("a flaw",)), 1, "one: a flaw"),
            (Outcome("", (), "nobody answered"), 0, "one: NOT RUN: nobody answered"),
            (Outcome("", ("a flaw",), "nobody answered"), 1, "one: NOT RUN: nobody answered"),
        ],
    )
    def test_each_outcome_has_its_line_and_its_status(
        self, capsys: pytest.CaptureFixture[str], outcome: Outcome, status: int, line: str
    ) -> None:
        assert report({"one": lambda: outcome}) == status
        told = capsys.readouterr().out.splitlines()
        assert line in told
        assert ("clean" in "".join(told)) == outcome.is_clean

    def test_a_scanner_that_fails_fails_the_scan(self, capsys: pytest.CaptureFixture[str]) -> None:
        def broken() -> Outcome:
            raise ScanError("it fell over")

        assert report({"one": broken, "two": lambda: Outcome("3 files")}) == 1
        assert "one: FAILED: it fell over" in capsys.readouterr().out

    def test_what_was_not_run_is_told_last(self, capsys: pytest.CaptureFixture[str]) -> None:
        report({"one": lambda: Outcome("", (), "nobody answered"), "two": lambda: Outcome("3 files")})
        assert capsys.readouterr().out.splitlines()[-1] == "one: NOT RUN: nobody answered"

    def test_a_scanner_that_is_missing_is_told_how_to_get(self) -> None:
        with pytest.raises(ScanError, match="make scan"):
            run(str(SCANNERS / "no-such-scanner"))

    def test_a_name_that_is_none_is_refused(self) -> None:
        with pytest.raises(SystemExit):
            main(["chekov"])


def planted(folder: Path, text: str, name: str = "settings.py") -> tuple[str, ...]:
    """Return what the scan for secrets finds in a folder with one file."""
    (folder / name).write_text(text, encoding="utf-8")
    (folder / "known").write_text("# nothing\n", encoding="utf-8")
    return secrets.scan(root=folder, known=folder / "known").findings


def drawn(alphabet: str, count: int) -> str:
    return "".join(chance.choice(alphabet) for _ in range(count))


class TestSecrets:
    @pytest.mark.parametrize(
        "line",
        [
            lambda: f'KEY = "AKIA{drawn(string.ascii_uppercase + string.digits, 16)}"',
            lambda: f'AES = "{drawn(string.ascii_letters + string.digits, 43)}"',
            lambda: f'RING = "{chance.token_hex(16)}"',
            lambda: f'fastgpt_api_key = "fastgpt-{drawn(string.ascii_letters, 40)}"',
            lambda: f'url = "https://desk:{drawn(string.ascii_letters, 16)}@proxy.frontdesk.invalid"',
            lambda: f"-----BEGIN PRIVATE KEY-----\n{drawn(string.ascii_letters, 64)}\n-----END PRIVATE KEY-----",
        ],
        ids=["aws", "EncodingAESKey", "SM4", "FastGPT", "proxy", "PEM"],
    )
    def test_one_that_is_planted_is_found(self, tmp_path: Path, line: Callable[[], str]) -> None:
        text = line()
        (finding,) = {each.split(" ")[0] for each in planted(tmp_path, f"{text}\n")}
        assert finding == "settings.py"

    def test_what_is_found_is_not_shown(self, tmp_path: Path) -> None:
        key = chance.token_hex(16)
        assert key not in str(planted(tmp_path, f'RING = "{key}"\n'))

    def test_the_known_limit_a_short_one_under_no_telling_name_passes(self, tmp_path: Path) -> None:
        """The reason why it is one wall of several; see docs/security.md."""
        assert planted(tmp_path, 'GIVEN = "QDG6eK"\n') == ()

    def test_one_that_was_accepted_elsewhere_is_not_accepted_here(self, tmp_path: Path) -> None:
        line = f'RING = "{chance.token_hex(16)}"\n'
        (tmp_path / "one.py").write_text(line, encoding="utf-8")
        known = tmp_path / "known-secrets.txt"
        secrets.scan(accept=True, root=tmp_path, known=known)
        assert secrets.scan(root=tmp_path, known=known).is_clean
        (tmp_path / "two.py").write_text(line, encoding="utf-8")
        (finding,) = secrets.scan(root=tmp_path, known=known).findings
        assert finding.startswith("two.py ")

    def test_what_is_listed_and_gone_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "one.py").write_text(f'RING = "{chance.token_hex(16)}"\n', encoding="utf-8")
        known = tmp_path / "known-secrets.txt"
        secrets.scan(accept=True, root=tmp_path, known=known)
        (tmp_path / "one.py").write_text("", encoding="utf-8")
        (finding,) = secrets.scan(root=tmp_path, known=known).findings
        assert finding.endswith("is listed and not found any more")


class TestCode:
    @pytest.mark.parametrize(
        ("line", "rule"),
        [
            ("import subprocess\nsubprocess.run('ls ' + name, shell=True)", "B602"),
            ("import yaml\nyaml.load(text, Loader=yaml.Loader)", "B506"),
            ("import requests\nrequests.get(url, verify=False, timeout=1)", "B501"),
            ("import pickle\npickle.loads(body)", "B301"),
            ("from xml.etree import ElementTree\nElementTree.fromstring(body)", "B314"),
            ("import hashlib\nhashlib.md5(body)", "B324"),
        ],
    )
    def test_a_flaw_that_is_planted_is_found(self, tmp_path: Path, line: str, rule: str) -> None:
        (tmp_path / "handler.py").write_text(line + "\n", encoding="utf-8")
        assert any(f" {rule} " in finding for finding in code.scan(str(tmp_path)).findings)

    def test_what_it_cannot_read_is_a_finding(self, tmp_path: Path) -> None:
        (tmp_path / "fine.py").write_text("A = 1\n", encoding="utf-8")
        (tmp_path / "broken.py").write_text("def (:\n", encoding="utf-8")
        (finding,) = code.scan(str(tmp_path)).findings
        assert "broken.py was not read" in finding

    def test_reading_nothing_is_a_failure(self, tmp_path: Path) -> None:
        with pytest.raises(ScanError):
            code.scan(str(tmp_path))

    def test_every_folder_with_code_that_runs_somewhere_is_looked_at(self) -> None:
        found = {path.relative_to(ROOT).parts[0] for path in ROOT.glob("*/**/*.py") if path.parts[-2] != "__pycache__"}
        ours = {name for name in found if not name.startswith(".")} - {"tests"}
        assert {folder.split("/")[0] for folder in code.FOLDERS} == ours


def checked(*failed: str, passed: int = 5, parsing_errors: int = 0) -> CompletedProcess[str]:
    results = [{"check_id": each, "check_name": "…", "resource": "AWS::S3::Bucket.RulesBucket"} for each in failed]
    summary = {"passed": passed, "failed": len(failed), "parsing_errors": parsing_errors}
    return ended({"results": {"failed_checks": results}, "summary": summary}, 1 if failed else 0)


class TestInfrastructure:
    def test_what_has_a_reason_may_stay_and_nothing_else(self) -> None:
        outcome = infrastructure.judge(checked("CKV_AWS_18", "CKV_AWS_99"), {"CKV_AWS_18": "…"})
        assert outcome.findings == ("CKV_AWS_99 RulesBucket: …",)

    def test_a_reason_for_nothing_has_to_go(self) -> None:
        outcome = infrastructure.judge(checked(), {"CKV_AWS_18": "…"})
        assert outcome.findings == ("CKV_AWS_18: nothing is found for its reason any more; take it out",)

    @pytest.mark.parametrize(
        "answer", [ended("", 1), ended([]), checked(passed=0), checked("CKV_AWS_18", parsing_errors=1), ended("{}")]
    )
    def test_a_template_that_was_not_read_is_a_failure(self, answer: CompletedProcess[str]) -> None:
        with pytest.raises(ScanError):
            infrastructure.judge(answer, {"CKV_AWS_18": "…"})

    def test_every_reason_is_one(self) -> None:
        reasons: dict[str, Any] = yaml.safe_load(infrastructure.REASONS.read_text(encoding="utf-8"))
        assert all(re.fullmatch(r"CKV2?_AWS_\d+", check) for check in reasons)
        assert all(len(reason.split()) > 8 for reason in reasons.values())

    def test_a_bucket_that_all_may_read_is_found(self, tmp_path: Path) -> None:
        template = tmp_path / "template.yaml"
        bucket = {"Type": "AWS::S3::Bucket", "Properties": {"AccessControl": "PublicRead"}}
        template.write_text(yaml.safe_dump({"Resources": {"Open": bucket}}), encoding="utf-8")
        findings = infrastructure.check(template).findings
        assert any(finding.startswith("CKV_AWS_20 Open:") for finding in findings)

    def test_the_regions_are_those_that_tests_lint_the_transformed_template_for(self) -> None:
        from tests.iac.test_template import LINTED_REGIONS

        assert list(infrastructure.REGIONS) == LINTED_REGIONS


class TestLocks:
    @pytest.mark.parametrize("lock", vulnerabilities.LOCKS)
    def test_every_package_has_one_version_and_its_hashes(self, lock: str) -> None:
        text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        assert lines
        for line in lines:
            assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==[^\s;]+", line), line[:60]
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line[:60]

    @pytest.mark.parametrize("lock", vulnerabilities.LOCKS)
    def test_no_lock_says_where_packages_come_from(self, lock: str) -> None:
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert not re.search(r"https?://|--index-url|--extra-index|--find-links|--trusted-host| @ ", text)

    def test_nothing_is_installed_without_its_hash(self) -> None:
        for makefile in ("Makefile", "layers/dependencies/Makefile"):
            text = (ROOT / makefile).read_text(encoding="utf-8").replace("\\\n", " ")
            installs = [line for line in text.splitlines() if "pip install" in line]
            assert installs
            assert all("--require-hashes" in line and "--no-deps" in line for line in installs), makefile
