"""What a simulated FastGPT server is set to. Reads no environment itself, except through `from_environment`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

Version = Literal["4.12", "4.14", "4.16"]
KeyKind = Literal["account", "app"]

APPS = ("main", "lite", "canary", "any")
"""Whom a fault or a scripted answer may be meant for."""
VERSIONS: tuple[Version, ...] = ("4.12", "4.14", "4.16")
BUNDLED_FAQ = Path(__file__).with_name("faq.yaml")
SAMPLE_API_KEY = "fastgpt-simulatorSampleKey0000000000000000000000000000000000000"
SAMPLE_APP_ID = "66f2a9c41d7e3b5508c6e1a4"
SAMPLE_TOOL_APP_ID = "66f2a9c41d7e3b5508c6e1b7"

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")


@dataclass(frozen=True, slots=True)
class FastgptSettings:
    """One server with its apps and their keys. Times are in seconds.

    Raises ValueError for an app id that no FastGPT could have (24 hexadecimal characters), an unknown version,
    a light app that is the main one, a key to a light app that there is not, or a time below zero.
    """

    api_key: str = SAMPLE_API_KEY
    app_id: str = SAMPLE_APP_ID
    faq: Path = BUNDLED_FAQ
    version: Version = "4.16"
    model_delay: float = 0.4
    """From the start of the run to the first words."""
    chunk_delay: float = 0.02
    """Between two pieces of the answer, a piece being one to four characters."""
    heartbeat_interval: float = 10.0
    """Between two empty answers of a stream."""
    title_delay: float = 0.0
    """What the first round of a chat waits for its title (a real server: up to 3 s); 4.16 only."""
    requests_per_minute: int = 5000
    """The team's limit on completions; no limit before 4.14."""
    history_rounds: int = 10
    """Rounds of the stored history that the model sees."""
    key_kind: KeyKind | None = None
    """`app`: the key is bound to `app_id`. None: as that version makes keys (`account` since 4.15)."""
    forbidden_app_ids: frozenset[str] = frozenset()
    """Apps that exist, but that the key's creator may not read."""
    tool_app_id: str = SAMPLE_TOOL_APP_ID
    """An app of type workflowTool: takes `variables`, no messages."""
    lite_app_id: str = ""
    """A second, light app, which sums conversations up; none if empty."""
    lite_api_key: str = ""
    """The light app's own key, which opens no other; if empty, `api_key` opens it too."""
    canary_app_id: str = ""
    """A new version of the main app, which answers as that one does; none if empty."""
    canary_api_key: str = ""
    """The canary's own key, which opens no other; if empty, `api_key` opens it too."""
    rerank: bool = True
    """Whether the dataset search reranks, so that quotes carry a `reRank` score."""
    similarity: float = 0.65
    """Lowest score of a quote."""
    citations_in_stream: bool = True
    """Whether streamed words keep their citation marks when the caller did not ask for them."""

    def __post_init__(self) -> None:
        self._check_apps()
        if self.version not in VERSIONS:
            raise ValueError(f"version must be one of {', '.join(VERSIONS)}")
        for name in ("model_delay", "chunk_delay", "title_delay"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is a number of seconds, 0 or more")
        if self.heartbeat_interval <= 0:
            raise ValueError("heartbeat_interval is a number of seconds above 0")

    def _check_apps(self) -> None:
        taken: set[str] = set()
        for name in ("app_id", "tool_app_id", "lite_app_id", "canary_app_id"):
            app_id, is_optional = getattr(self, name), name in {"lite_app_id", "canary_app_id"}
            if is_optional and not app_id:
                continue
            if not _OBJECT_ID.fullmatch(app_id):
                raise ValueError(f"{name} must be 24 hexadecimal characters, like every id FastGPT makes")
            if is_optional and app_id in taken:
                raise ValueError(f"{name} must be another app than the others")
            taken.add(app_id)
        for app in ("lite", "canary"):
            if getattr(self, f"{app}_api_key") and not getattr(self, f"{app}_app_id"):
                raise ValueError(f"{app}_app_id is missing: {app}_api_key is the key to it")

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], *, version: Version = "4.16", faq: Path = BUNDLED_FAQ
    ) -> Self:
        """Take key and app from FASTGPT_API_KEY and FASTGPT_APP_ID, samples where they are unset.

        The light app comes from FASTGPT_LITE_API_KEY and FASTGPT_LITE_APP_ID, the canary likewise; there is none where
        they are unset.
        """
        return cls(
            api_key=environment.get("FASTGPT_API_KEY") or SAMPLE_API_KEY,
            app_id=environment.get("FASTGPT_APP_ID") or SAMPLE_APP_ID,
            lite_api_key=environment.get("FASTGPT_LITE_API_KEY", ""),
            lite_app_id=environment.get("FASTGPT_LITE_APP_ID", ""),
            canary_api_key=environment.get("FASTGPT_CANARY_API_KEY", ""),
            canary_app_id=environment.get("FASTGPT_CANARY_APP_ID", ""),
            version=version,
            faq=faq,
        )

    def app_name(self, app_id: str) -> str:
        """Return how faults and scripted answers call an app: `lite`, `canary`, or `main` for any other id."""
        named = {self.lite_app_id: "lite", self.canary_app_id: "canary"}
        return named.get(app_id, "main") if app_id else "main"

    def apps_of(self, api_key: str) -> tuple[str, ...]:
        """Return the apps that a key may call, the one it is made for first; none for an unknown key."""
        apps: tuple[str, ...] = ()
        if api_key == self.api_key:
            apps = (self.app_id, self.tool_app_id)
        if self.lite_app_id and api_key == (self.lite_api_key or self.api_key):
            apps = (*apps, self.lite_app_id)
        if self.canary_app_id and api_key == (self.canary_api_key or self.api_key):
            apps = (*apps, self.canary_app_id)
        return apps

    @property
    def key_is_bound(self) -> bool:
        """Whether a key belongs to one app."""
        return (self.key_kind or ("account" if self.version == "4.16" else "app")) == "app"
