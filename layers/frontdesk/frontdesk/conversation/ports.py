"""What answering needs of the world, and what the export and the review of the audit both read.

Each port has a real adapter and a fake, and one contract suite over both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from frontdesk.messages import Masked, ModelAnswer, Outbound, Placeholders, Question, Verdict
    from frontdesk.records import AuditRecord, Happening, Reply, Session


class Sessions(Protocol):
    """Where sessions are kept. Every method raises `TransientError` when the store is out of reach."""

    def latest(self, conversation: str) -> Session | None:
        """Return the newest session of ``conversation``, alive or not, as last saved."""

    def get(self, conversation: str, session_id: str) -> Session | None:
        """Return one session as last saved."""

    def save(self, session: Session) -> Session:
        """Return the session as saved, one version on.

        Raises `ConflictError` when another version than the given one is stored.
        """


class Ledger(Protocol):
    """What was answered and what was sent. Every method raises `TransientError` when the store is out of reach."""

    def find(self, conversation: str, message_ids: Iterable[str]) -> dict[str, Reply]:
        """Return the replies that are on record, by the id of each message they answer."""

    def record(self, reply: Reply, trail: Sequence[Happening]) -> None:
        """Write ``reply``, for all its messages, together with its ``trail`` for the audit; all of it or nothing.

        Raises `ConflictError` when one of the messages has a reply already.
        """

    def mark_sent(self, reply: Reply, sent: int) -> None:
        """Remember that the first ``sent`` segments of ``reply`` are sent."""

    def first_time(self, conversation: str, what: str, trail: Sequence[Happening]) -> bool:
        """Return whether ``what`` (an interim notice, a fallback …) is claimed for the first time.

        If so, ``trail`` is in the audit, in the same write.
        """

    def repetitions(self, conversation: str, text: str) -> int:
        """Return how often ``text`` was about to be sent to this customer before, and count this time."""


class Model(Protocol):
    """The company's model app. ``identity`` names it to the audit: ``fastgpt:<app id>@<host>``."""

    identity: str

    def ask(self, question: Question, *, deadline: float, on_first_words: Callable[[], None]) -> ModelAnswer:
        """Return the whole answer; ``deadline`` is on the monotonic clock.

        Raises `TransientError` when asking again later can help, `PermanentError` when it cannot.
        """


class Rules(Protocol):
    """What the company allows to be asked and to be said. Judging never fails: the last good rules stay in force."""

    def judge_question(self, text: str) -> Verdict:
        """Return what the rules say of the customer's words."""

    def judge_answer(self, text: str) -> Verdict:
        """Return what the rules say of the whole of an answer, before it is cut into messages."""


class Masking(Protocol):
    """Keeps personal data from the model."""

    def mask(self, text: str, known: Placeholders) -> Masked:
        """Return ``text`` with personal data as placeholders; what is ``known`` keeps its placeholder."""

    def unmask(self, text: str, known: Placeholders) -> str:
        """Return ``text`` with each placeholder replaced by what it stands for."""


class Channel(Protocol):
    """The way out to the customer."""

    def render(self, markdown: str) -> str:
        """Return ``markdown`` as the customer will read it."""

    def split(self, text: str) -> tuple[str, ...]:
        """Return a rendered ``text`` as messages of this channel, none for a blank one."""

    def distinct(self, text: str, n: int) -> str:
        """Return ``text`` made different from its ``n`` earlier twins, without a visible change."""

    def deliver(self, outbound: Outbound, *, deadline: float) -> None:
        """Return when the vendor has it. Sending the same again within minutes shows nothing twice.

        Raises `TransientError`, `PermanentError` when this customer cannot be reached, and
        `MisconfiguredError` when nobody can.
        """


class AuditOfDay(Protocol):
    """The audit's records by day, a conversation's all in one shard. Raises `TransientError` when out of reach."""

    shards: int

    def of_day(self, day: str, shard: int) -> Iterator[AuditRecord]:
        """Yield the records written on ``day`` (UTC date) in one shard."""
