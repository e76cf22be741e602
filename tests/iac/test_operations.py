"""What the operator's commands do before anything is deployed: ids, settings, vendors, processes."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from frontdesk.settings import local_problems
from ops.build_id import build_id
from ops.deployment import ROOT, DeploymentError, parameter_file, parameters_from
from ops.environment import DotenvError, parse_dotenv, settings_in_force
from ops.local.aws import _complete_table, _lock_bucket, _with_values
from ops.local.processes import ProcessError, Processes
from ops.local.vendors import choose_vendors
from tests.iac.conftest import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 180}}}
SLEEPER = [sys.executable, "-c", "import time; time.sleep(120)"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "functions").mkdir()
    (tmp_path / "layers").mkdir()
    (tmp_path / "functions" / "handler.py").write_text("x = 1")
    (tmp_path / "layers" / "requirements.txt").write_text("a==1")
    (tmp_path / "template.yaml").write_text("Resources: {}")
    return tmp_path


class TestBuildId:
    def test_it_is_the_same_for_the_same_tree_and_parameters(self, tree: Path) -> None:
        assert build_id(tree, {"A": "1", "B": "2"}) == build_id(tree, {"B": "2", "A": "1"})

    @pytest.mark.parametrize("changed", ["functions/handler.py", "layers/requirements.txt", "template.yaml"])
    def test_it_changes_with_any_source(self, tree: Path, changed: str) -> None:
        before = build_id(tree, {})
        (tree / changed).write_text("changed")
        assert build_id(tree, {}) != before

    def test_it_changes_with_a_file_that_is_added_or_renamed(self, tree: Path) -> None:
        before = build_id(tree, {})
        (tree / "functions" / "handler.py").rename(tree / "functions" / "other.py")
        assert build_id(tree, {}) != before

    def test_it_changes_with_a_parameter(self, tree: Path) -> None:
        assert build_id(tree, {"SessionTtlSeconds": "900"}) != build_id(tree, {"SessionTtlSeconds": "901"})

    def test_it_does_not_change_with_bytecode(self, tree: Path) -> None:
        before = build_id(tree, {})
        (tree / "functions" / "__pycache__").mkdir()
        (tree / "functions" / "__pycache__" / "handler.cpython-311.pyc").write_bytes(b"compiled")
        assert build_id(tree, {}) == before

    def test_it_fits_the_templates_parameter(self, tree: Path) -> None:
        assert len(build_id(tree, {})) == 16
        assert int(build_id(tree, {}), 16) >= 0


class TestSettings:
    def test_dotenv_knows_comments_quotes_and_export(self) -> None:
        text = "# note\n\nA=1\nexport B = 'two words'\nC=\"x # y\"\nD=plain # note\nE=https://x/#part\nF=\n"
        expected = {"A": "1", "B": "two words", "C": "x # y", "D": "plain", "E": "https://x/#part", "F": ""}
        assert parse_dotenv(text) == expected

    def test_dotenv_names_the_bad_line_without_its_content(self) -> None:
        with pytest.raises(DotenvError) as caught:
            parse_dotenv("A=1\nsecret words\n")
        assert "line 2" in str(caught.value)
        assert "secret" not in str(caught.value)

    def test_the_environment_wins_and_empty_counts_as_not_set(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("A=file\nB=file\nC=\n")
        assert settings_in_force(tmp_path, {"A": "environment", "B": "", "D": " "}) == {"A": "environment", "B": "file"}

    def test_missing_settings_are_named_all_at_once(self) -> None:
        with pytest.raises(DeploymentError, match=r"WECOM_CORP_ID.*WECOM_SECRET.*FASTGPT_API_KEY"):
            parameters_from({}, TEMPLATE)

    def test_business_hours_that_no_function_could_read_are_refused_before_anything_is_deployed(self) -> None:
        settings = dict(choose_vendors({}, "http://127.0.0.1:8080").settings)
        with pytest.raises(DeploymentError, match="BUSINESS_HOURS") as caught:
            parameters_from({**settings, "BUSINESS_HOURS": "whenever we like"}, TEMPLATE)
        assert "whenever" not in str(caught.value)
        hours = "Mon-Fri 09:00-18:00; Sat 10:00-16:00"
        assert parameters_from({**settings, "BUSINESS_HOURS": hours}, TEMPLATE)["BusinessHours"] == hours

    @pytest.mark.parametrize(
        ("setting", "shut", "through"),
        [
            ("FASTGPT_BASE_URL", "http://fastgpt.example/api", "https://fastgpt.example/api"),
            ("FASTGPT_BASE_URL", "https://fastgpt.example:3000/api", "https://fastgpt.example:443/api"),
            ("FASTGPT_STANDBY_BASE_URL", "http://fastgpt.example/api", "https://fastgpt.example/api"),
            ("EGRESS_PROXY_URL", "http://desk:word@proxy.example:3128", "https://desk:word@proxy.example"),
            ("TICKET_WEBHOOK_URL", "https://tickets.example:8443/new", "https://tickets.example/new"),
            ("WECOM_API_BASE", "https://relay.example:8443/path", "https://relay.example/path"),
        ],
    )
    def test_an_address_that_the_fixed_egress_does_not_let_through_is_refused_before_anything_is_deployed(
        self, setting: str, shut: str, through: str
    ) -> None:
        invented = dict(choose_vendors({}, "http://127.0.0.1:8080").settings)
        fastgpt = dict.fromkeys(("FASTGPT_BASE_URL", "FASTGPT_STANDBY_BASE_URL"), "https://fastgpt.example/api")
        secure = {"WECOM_API_BASE": "https://wecom.example", **fastgpt}
        settings = {**invented, **secure, "FIXED_EGRESS": "true"}
        assert parameters_from({**settings, setting: through}, TEMPLATE)["FixedEgress"] == "true"
        with pytest.raises(DeploymentError, match=setting) as caught:
            parameters_from({**settings, setting: shut}, TEMPLATE)
        assert "example" not in str(caught.value)
        assert parameters_from({**settings, setting: shut, "FIXED_EGRESS": "false"}, TEMPLATE)

    def test_parameters_travel_in_a_file_only_the_owner_can_read(self) -> None:
        with parameter_file({"WelcomeText": '您好 "朋友"'}) as address:
            file = Path(address.removeprefix("file://"))
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert json.loads(file.read_text(encoding="utf-8")) == {"WelcomeText": '您好 "朋友"'}
        assert not file.exists()


class TestVendors:
    def test_what_is_invented_is_well_formed_and_new_each_time(self) -> None:
        first, second = (choose_vendors({}, "http://127.0.0.1:8080") for _ in range(2))
        assert local_problems(first.settings) == []
        assert first.settings["WECOM_ENCODING_AES_KEY"] != second.settings["WECOM_ENCODING_AES_KEY"]
        assert first.settings["WECOM_API_BASE"] == "http://127.0.0.1:8080/wecom"
        assert first.settings["FASTGPT_BASE_URL"] == "http://127.0.0.1:8080/fastgpt/api"
        assert parameters_from(first.settings, ROOT / "template.yaml")["WecomSecretValue"]

    def test_the_simulated_wecom_is_not_called_through_a_proxy(self) -> None:
        given = {"EGRESS_PROXY_URL": "http://proxy.example:3128"}
        assert choose_vendors(given, "http://127.0.0.1:8080").settings["EGRESS_PROXY_URL"] == ""

    def test_a_real_vendor_is_not_simulated_and_the_other_still_is(self) -> None:
        real = {
            "FASTGPT_BASE_URL": "https://fastgpt.example",
            "FASTGPT_API_KEY": "fastgpt-key",
            "FASTGPT_APP_ID": "0123456789abcdef01234567",
        }
        vendors = choose_vendors(real, "http://127.0.0.1:8080")
        assert vendors.fastgpt_simulator() is None
        assert vendors.wecom_simulator() is not None
        assert vendors.settings["FASTGPT_BASE_URL"] == "https://fastgpt.example/api"

    def test_the_simulated_wecom_has_colleagues_and_the_real_one_only_those_given(self) -> None:
        assert choose_vendors({}, "http://127.0.0.1:8080").settings["HANDOFF_AGENTS"] == "zhou.min|he.yun"
        given = choose_vendors({"HANDOFF_AGENTS": "lin.mei"}, "http://127.0.0.1:8080")
        assert given.settings["HANDOFF_AGENTS"] == "lin.mei"
        real = {
            "WECOM_CORP_ID": "ww0123456789abcdef",
            "WECOM_AGENT_ID": "1000002",
            "WECOM_SECRET": "s" * 43,
            "WECOM_TOKEN": "token",
            "WECOM_ENCODING_AES_KEY": "a" * 42 + "A",
        }
        assert "HANDOFF_AGENTS" not in choose_vendors(real, "http://127.0.0.1:8080").settings

    def test_the_simulated_fastgpt_is_told_of_the_light_application_that_was_invented(self) -> None:
        vendors = choose_vendors({}, "http://127.0.0.1:8080")
        simulator = vendors.fastgpt_simulator()
        assert simulator is not None
        assert simulator["lite_app_id"] == vendors.settings["FASTGPT_LITE_APP_ID"] != simulator["app_id"]
        assert simulator["lite_api_key"] == vendors.settings["FASTGPT_LITE_API_KEY"] != simulator["api_key"]
        assert parameters_from(vendors.settings, TEMPLATE)["FastgptLiteAppId"] == simulator["lite_app_id"]

    def test_nothing_is_invented_for_customer_service(self) -> None:
        settings = choose_vendors({}, "http://127.0.0.1:8080").settings
        assert [name for name in settings if name.startswith("WECOM_KF_")] == []
        parameters = parameters_from(settings, TEMPLATE)
        assert {parameters[name] for name in ("WecomKfSecretValue", "WecomKfToken", "WecomKfEncodingAesKey")} == {""}

    def test_secrets_do_not_show_in_a_printed_form(self) -> None:
        vendors = choose_vendors({}, "http://127.0.0.1:8080")
        assert vendors.settings["WECOM_SECRET"] not in repr(vendors)


class TestLocalAws:
    def test_what_the_template_refers_to_becomes_the_parameters_value(self) -> None:
        node = {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": {"Ref": "AuditRetentionDays"}}}}
        expected = {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 200}}}
        assert _with_values(node, {"AuditRetentionDays": "200"}) == expected
        assert _with_values({"Ref": "LogLevel"}, {"LogLevel": "INFO"}) == "INFO"

    def test_a_bucket_is_locked_as_the_template_says(self) -> None:
        client = FakeS3()
        _lock_bucket(client, "audit", LOCK)
        assert client.locks == {"audit": LOCK}

    def test_a_bucket_that_takes_another_lock_ends_the_run(self) -> None:
        with pytest.raises(DeploymentError, match="audit did not take the template's object lock"):
            _lock_bucket(FakeS3(answer={"ObjectLockEnabled": "Enabled"}), "audit", LOCK)

    def test_a_bucket_that_cannot_be_locked_ends_the_run(self) -> None:
        refused = ClientError({"Error": {"Code": "InvalidBucketState"}}, "PutObjectLockConfiguration")
        with pytest.raises(DeploymentError, match="audit cannot be locked"):
            _lock_bucket(FakeS3(refuses=refused), "audit", LOCK)

    @pytest.mark.parametrize("lifetime", [None, {"AttributeName": "expires_at", "Enabled": True}])
    def test_a_table_gets_its_backups_and_only_the_lifetime_it_has(self, lifetime: dict[str, Any] | None) -> None:
        backups = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 1}
        wanted = {"PointInTimeRecoverySpecification": backups}
        client = FakeDynamoDb()
        _complete_table(client, "keys", wanted | ({"TimeToLiveSpecification": lifetime} if lifetime else {}))
        assert client.backups == {"keys": backups}
        assert client.lifetimes == ({"keys": lifetime} if lifetime else {})


class FakeS3:
    """A bucket's lock, as S3 keeps it; ``answer`` is told in its place, ``refuses`` is raised."""

    def __init__(self, answer: dict[str, Any] | None = None, refuses: ClientError | None = None) -> None:
        self.locks: dict[str, Any] = {}
        self._answer = answer
        self._refuses = refuses

    def put_object_lock_configuration(self, **asked: Any) -> None:
        if self._refuses:
            raise self._refuses
        self.locks[asked["Bucket"]] = asked["ObjectLockConfiguration"]

    def get_object_lock_configuration(self, **asked: Any) -> dict[str, Any]:
        return {"ObjectLockConfiguration": self._answer or self.locks[asked["Bucket"]]}


class FakeDynamoDb:
    """Lifetimes and backups of tables."""

    def __init__(self) -> None:
        self.lifetimes: dict[str, dict[str, Any]] = {}
        self.backups: dict[str, dict[str, Any]] = {}

    def update_time_to_live(self, **asked: Any) -> None:
        self.lifetimes[asked["TableName"]] = asked["TimeToLiveSpecification"]

    def update_continuous_backups(self, **asked: Any) -> None:
        self.backups[asked["TableName"]] = asked["PointInTimeRecoverySpecification"]

    def describe_time_to_live(self, **asked: Any) -> dict[str, Any]:
        found = self.lifetimes.get(asked["TableName"])
        told = {"TimeToLiveStatus": "ENABLED", "AttributeName": found["AttributeName"]} if found else {}
        return {"TimeToLiveDescription": told or {"TimeToLiveStatus": "DISABLED"}}

    def describe_continuous_backups(self, **asked: Any) -> dict[str, Any]:
        status = "ENABLED" if self.backups[asked["TableName"]]["PointInTimeRecoveryEnabled"] else "DISABLED"
        recovery = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}
        return {"ContinuousBackupsDescription": recovery}


class TestProcesses:
    @pytest.fixture
    def processes(self, tmp_path: Path) -> Iterator[Processes]:
        processes = Processes(tmp_path)
        yield processes
        processes.stop()

    def test_what_was_started_is_found_and_ended_by_somebody_else(self, processes: Processes, tmp_path: Path) -> None:
        processes.start("sleeper", SLEEPER, {}, tmp_path)
        later = Processes(tmp_path)
        assert later.running() == ["sleeper"]
        assert later.stop() == ["sleeper"]
        assert processes.running() == []

    def test_a_number_that_belongs_to_another_process_by_now_is_left_alone(
        self, processes: Processes, tmp_path: Path
    ) -> None:
        processes.start("sleeper", SLEEPER, {}, tmp_path)
        record = tmp_path / "processes.json"
        mine = record.read_text()
        entry = json.loads(mine)["sleeper"]
        record.write_text(json.dumps({"sleeper": {**entry, "started": "Thu Jan  1 00:00:00 1970"}}))
        assert Processes(tmp_path).stop() == []
        record.write_text(mine)
        assert processes.running() == ["sleeper"]

    def test_one_that_ends_by_itself_is_reported_with_its_last_words(
        self, processes: Processes, tmp_path: Path
    ) -> None:
        processes.start("short", [sys.executable, "-c", "print('out of order'); raise SystemExit(3)"], {}, tmp_path)
        with pytest.raises(ProcessError, match=r"short ended with status 3:\nout of order"):
            processes.wait_until("short", lambda: False, limit_s=30)

    def test_waiting_has_a_limit(self, processes: Processes, tmp_path: Path) -> None:
        processes.start("sleeper", SLEEPER, {}, tmp_path)
        with pytest.raises(ProcessError, match="did not answer"):
            processes.wait_until("sleeper", lambda: False, limit_s=0.2)

    def test_a_program_that_is_missing_is_named(self, processes: Processes, tmp_path: Path) -> None:
        with pytest.raises(ProcessError, match="ghost could not be started"):
            processes.start("ghost", [str(tmp_path / "ghost")], {}, tmp_path)
