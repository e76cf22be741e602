"""What answering needs of the world. Each port has a real adapter and a fake, and one contract suite over both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from frontdesk.messages import ModelAnswer, Outbound, Question
    from frontdesk.records import Reply, Session


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

    def record(self, reply: Reply) -> None:
        """Write ``reply``, for all its messages or for none.

        Raises `ConflictError` when one of them has a reply already.
        """

    def mark_sent(self, reply: Reply, sent: int) -> None:
        """Remember that the first ``sent`` segments of ``reply`` are sent."""

    def first_time(self, conversation: str, what: str) -> bool:
        """Return whether ``what`` (an interim notice, a fallback …) is claimed for the first time."""

    def repetitions(self, conversation: str, text: str) -> int:
        """Return how often ``text`` was about to be sent to this customer before, and count this time."""


class Model(Protocol):
    """The company's model app."""

    def ask(self, question: Question, *, deadline: float, on_first_words: Callable[[], None]) -> ModelAnswer:
        """Return the whole answer; ``deadline`` is on the monotonic clock.

        Raises `TransientError` when asking again later can help, `PermanentError` when it cannot.
        """


class Channel(Protocol):
    """The way out to the customer."""

    def compose(self, markdown: str) -> tuple[str, ...]:
        """Return ``markdown`` as messages of this channel, none for an empty text."""

    def distinct(self, text: str, n: int) -> str:
        """Return ``text`` made different from its ``n`` earlier twins, without a visible change."""

    def deliver(self, outbound: Outbound, *, deadline: float) -> None:
        """Return when the vendor has it. Sending the same again within minutes shows nothing twice.

        Raises `TransientError`, `PermanentError` when this customer cannot be reached, and
        `MisconfiguredError` when nobody can.
        """
