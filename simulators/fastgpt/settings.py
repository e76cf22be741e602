"""What a simulated FastGPT server is set to. Reads no environment itself, except through `from_environment`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

Version = Literal["4.12", "4.14", "4.16"]
KeyKind = Literal["account", "app"]

VERSIONS: tuple[Version, ...] = ("4.12", "4.14", "4.16")
BUNDLED_FAQ = Path(__file__).with_name("faq.yaml")
SAMPLE_API_KEY = "fastgpt-simulatorSampleKey0000000000000000000000000000000000000"
SAMPLE_APP_ID = "66f2a9c41d7e3b5508c6e1a4"
SAMPLE_TOOL_APP_ID = "66f2a9c41d7e3b5508c6e1b7"

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")


@dataclass(frozen=True, slots=True)
class FastgptSettings:
    """One server with one key. Times are in seconds.

    Raises ValueError for an app id that no FastGPT could have (24 hexadecimal characters), an unknown version,
    or a time below zero.
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
    rerank: bool = True
    """Whether the dataset search reranks, so that quotes carry a `reRank` score."""
    similarity: float = 0.65
    """Lowest score of a quote."""
    citations_in_stream: bool = True
    """Whether streamed words keep their citation marks when the caller did not ask for them."""

    def __post_init__(self) -> None:
        for name in ("app_id", "tool_app_id"):
            if not _OBJECT_ID.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} must be 24 hexadecimal characters, like every id FastGPT makes")
        if self.version not in VERSIONS:
            raise ValueError(f"version must be one of {', '.join(VERSIONS)}")
        for name in ("model_delay", "chunk_delay", "title_delay"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is a number of seconds, 0 or more")
        if self.heartbeat_interval <= 0:
            raise ValueError("heartbeat_interval is a number of seconds above 0")

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], *, version: Version = "4.16", faq: Path = BUNDLED_FAQ
    ) -> Self:
        """Take the key and the app from FASTGPT_API_KEY and FASTGPT_APP_ID, samples where they are unset."""
        return cls(
            api_key=environment.get("FASTGPT_API_KEY") or SAMPLE_API_KEY,
            app_id=environment.get("FASTGPT_APP_ID") or SAMPLE_APP_ID,
            version=version,
            faq=faq,
        )

    @property
    def key_is_bound(self) -> bool:
        """Whether the key belongs to one app."""
        return (self.key_kind or ("account" if self.version == "4.16" else "app")) == "app"
