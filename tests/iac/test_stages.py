"""Stages: which stack `make deploy` means, with whose settings, and what it refuses before anything is deployed."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from ops import deployment
from ops.deployment import ROOT, DeploymentError, parameters_from, sam_arguments
from ops.desk import DeskError, stack_name
from ops.environment import DotenvError, settings_in_force
from ops.local.vendors import choose_vendors
from ops.stages import LONGEST_STACK_NAME, Stage, StageError, stage_in_force
from tests.iac.conftest import TEMPLATE
from tests.iac.test_template import FUNCTIONS

if TYPE_CHECKING:
    from pathlib import Path

PRODUCTION = Stage("production", "default", "frontdesk")


class TestStages:
    def test_production_is_meant_where_none_is_named(self) -> None:
        assert stage_in_force(ROOT, {}) == stage_in_force(ROOT, {"STAGE": "production"}) == PRODUCTION
        assert stage_in_force(ROOT, {"STAGE": " "}) == PRODUCTION

    def test_staging_is_a_stack_of_its_own(self) -> None:
        assert stage_in_force(ROOT, {"STAGE": "staging"}) == Stage("staging", "staging", "frontdesk-staging")

    @pytest.mark.parametrize("name", ["stagging", "default", "version"])
    def test_another_is_refused_and_those_there_are_are_told(self, name: str) -> None:
        with pytest.raises(StageError, match="production, staging"):
            stage_in_force(ROOT, {"STAGE": name})
        with pytest.raises(DeskError):
            stack_name(ROOT, {"STAGE": name})

    def test_an_operator_stands_before_the_stack_of_the_stage(self) -> None:
        assert stack_name(ROOT, {}) == "frontdesk"
        assert stack_name(ROOT, {"STAGE": "staging"}) == "frontdesk-staging"

    def test_sam_is_told_the_stage_and_what_a_person_adds(self) -> None:
        staging = stage_in_force(ROOT, {"STAGE": "staging"})
        assert sam_arguments(staging, ["--region", "cn-north-1"]) == [
            "--config-env",
            "staging",
            "--region",
            "cn-north-1",
        ]

    @pytest.mark.parametrize("rest", [["--stack-name", "a" * 28], ["--stack-name=" + "a" * 28], ["--stack-name", "1a"]])
    def test_a_stack_whose_functions_would_not_be_found_is_refused(self, rest: list[str]) -> None:
        with pytest.raises(StageError, match="27"):
            sam_arguments(PRODUCTION, rest)

    def test_the_longest_name_leaves_room_for_the_longest_function(self) -> None:
        """Lambda: 64 characters. CloudFormation: two hyphens and up to thirteen characters of its own."""
        others = [name for name in FUNCTIONS if name != "ReleaseFunction"]
        assert LONGEST_STACK_NAME + max(map(len, others)) + 2 + 13 <= 64
        assert LONGEST_STACK_NAME + len("CodeDeployHook_-ReleaseFunction") <= 64


class TestSettings:
    def test_a_stages_file_lies_between_the_environment_and_the_common_one(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("A=common\nB=common\nC=common\n")
        (tmp_path / ".env.staging").write_text("A=staging\nB=staging\nD=\n")
        (tmp_path / ".env.production").write_text("C=production\n")
        expected = {"A": "environment", "B": "staging", "C": "common"}
        assert settings_in_force(tmp_path, {"A": "environment"}, "staging") == expected
        assert settings_in_force(tmp_path, {})["C"] == "common"

    def test_a_bad_line_is_named_with_its_file(self, tmp_path: Path) -> None:
        (tmp_path / ".env.staging").write_text("secret words\n")
        with pytest.raises(DotenvError, match=r"\.env\.staging, line 1"):
            settings_in_force(tmp_path, {}, "staging")

    def test_nobody_commits_one(self) -> None:
        ignored = subprocess.run(
            ["git", "check-ignore", "-q", "--no-index", ".env.staging"], cwd=ROOT, check=False, timeout=30
        )
        assert ignored.returncode == 0

    def test_a_release_is_not_tried_in_the_name_of_somebody_whose_words_go_to_customers(self) -> None:
        settings = {**choose_vendors({}, "http://127.0.0.1:8080").settings, "HANDOFF_AGENTS": "zhou.min|he.yun"}
        with pytest.raises(DeploymentError, match="RELEASE_CHECK_USER"):
            parameters_from({**settings, "RELEASE_CHECK_USER": "he.yun"}, TEMPLATE)
        assert parameters_from({**settings, "RELEASE_CHECK_USER": "lin.mei"}, TEMPLATE)["ReleaseCheckUser"] == "lin.mei"


class TestDeploy:
    def test_it_builds_lints_and_tests_before_it_deploys(self) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        (needed,) = re.findall(r"^deploy: (.+?) ##", makefile, re.MULTILINE)
        assert needed.split() == ["build", "validate"]
        (checks,) = re.findall(r"^validate:.*\n((?:\t.+\n)+)", makefile, re.MULTILINE)
        assert [
            word in checks for word in ("sam validate --lint", "cfn-lint template.yaml", "pytest --no-cov tests/iac")
        ] == [
            True,
            True,
            True,
        ]

    def test_a_stage_that_is_not_there_ends_it_at_once(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("STAGE", "nowhere")
        assert deployment.main(["deploy"]) == 1
        assert "no stage nowhere" in capsys.readouterr().err
