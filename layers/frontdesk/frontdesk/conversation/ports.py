"""What the conversation needs of the world: stores, queues, the model, the rules, the ways out, the people.

Each port has a real adapter and a fake, and one contract suite over both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from frontdesk.messages import (
        Charge,
        Inbound,
        Masked,
        ModelAnswer,
        Outbound,
        Page,
        Placeholders,
        Question,
        Verdict,
    )
    from frontdesk.records import Account, Attendance, AuditRecord, Duty, Happening, Reply, Session, Ticket


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
        """Remember that the first ``sent`` segments of ``reply`` are sent; one more than there are settles it."""

    def first_time(self, conversation: str, what: str, trail: Sequence[Happening]) -> bool:
        """Return whether ``what`` (an interim notice, a fallback …) is claimed for the first time.

        If so, ``trail`` is in the audit, in the same write.
        """

    def repetitions(self, conversation: str, text: str) -> int:
        """Return how often ``text`` was about to be sent to this customer before, and count this time."""


class Model(Protocol):
    """The company's model app. ``identity`` names it to the audit: ``fastgpt:<app id>@<host>``."""

    identity: str

    def feedback(self, chat_id: str, attempt_id: str, *, good: bool, deadline: float) -> None:
        """Tell the app what a customer thinks of one of its answers.

        Raises `TransientError` or `PermanentError`.
        """

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
    """The way out to the customer.

    ``hosted`` tells that the vendor keeps the talk itself: people write to customers in its own client, a welcome needs
    its code, and menus are shown as such.
    """

    hosted: bool

    def render(self, markdown: str) -> str:
        """Return ``markdown`` as the customer will read it."""

    def split(self, text: str) -> tuple[str, ...]:
        """Return a rendered ``text`` as messages of this channel, none for a blank one."""

    def distinct(self, text: str, n: int) -> str:
        """Return ``text`` made different from its ``n`` earlier twins, without a visible change."""

    def room(self, inbound: Inbound) -> int | None:
        """Return how many messages the vendor still allows after what ``inbound`` says of its customer; None: any.

        The last one is among them, which only `Outbound.last` may spend. Raises `TransientError`.
        """

    def deliver(self, outbound: Outbound, *, deadline: float) -> None:
        """Return when the vendor has it. Sending the same again within minutes shows nothing twice.

        Raises `TransientError`, `AllowanceError` when the vendor takes no more until the customer writes again,
        `TakenOverError` when a person is in charge, `PermanentError` when this customer cannot be reached, and
        `MisconfiguredError` when nobody can.
        """


class Desk(Protocol):
    """The people of one channel. Deadlines are on the monotonic clock. Each method may raise `TransientError`."""

    def charge(self, conversation: str, customer: str, *, deadline: float) -> Charge:
        """Return who is in charge now, read from where it is decided; raises `ChargeUnknownError`.

        ``customer`` is the reply address.
        """

    def available(self, customer: str, *, deadline: float) -> bool:
        """Return whether a person could be given the customer now."""

    def call(self, attendance: Attendance, *, deadline: float) -> Attendance:
        """Give the customer to a person, or to those who wait for one, and return who attends now.

        Calling again for the same ``question_id`` changes nothing. Raises `NobodyError` when no person takes the
        customer.
        """

    def brief(self, attendance: Attendance, *, deadline: float) -> None:
        """Let the person in charge, or those who may take the customer, read ``attendance.brief``."""

    def pass_on(self, attendance: Attendance, text: str, *, name: str, deadline: float) -> None:
        """Let the person in charge read what the customer wrote, where the vendor does not show it to them.

        ``name`` is the message's: passing the same one on again shows nothing twice.
        """

    def remind(self, attendance: Attendance, *, everybody: bool, deadline: float) -> None:
        """Tell the person in charge that the customer waits; with ``everybody`` also those who could help out."""

    def give_back(self, attendance: Attendance, *, deadline: float) -> str:
        """Take the customer from the person, or from those who wait, and return a code for one message, "" for none.

        With "" the machine may speak at once. Raises `PermanentError` when the vendor does not let go of them.
        """


class Attendances(Protocol):
    """Who attends to whom. Every method raises `TransientError` when the store is out of reach."""

    def get(self, conversation: str) -> Attendance | None:
        """Return what is kept of ``conversation``."""

    def save(self, attendance: Attendance) -> Attendance:
        """Return it as saved, one version on; raises `ConflictError` when another version is stored."""

    def due(self, shard: int, *, by: int) -> Iterator[tuple[str, str, int]]:
        """Yield conversation, channel and ``due_at`` of what is due by ``by`` (epoch seconds), the oldest first."""


class Queue(Protocol):
    """The inbox, as those put into it who are no callback."""

    def put(self, inbound: Inbound) -> None:
        """Return when the queue has it. A message put twice within minutes is there once. Raises `TransientError`."""

    def put_all(self, inbounds: Sequence[Inbound]) -> None:
        """Return when the queue has all of them, those of one conversation in their order.

        Raises `TransientError` when some may be missing; then all may be put again.
        """


class Accounts(Protocol):
    """The customer-service accounts. Every method raises `TransientError` when the store is out of reach."""

    def get_or_add(self, account: str, *, answer_from: int) -> Account:
        """Return what is kept of ``account``; one never seen is kept with ``answer_from`` from now on."""

    def lease(self, account: str, lease: str, *, now_ms: int, until_ms: int) -> Account:
        """Return the account, now leased to ``lease``; raises `ConflictError` while somebody else has it."""

    def advance(self, account: str, lease: str, cursor: str) -> None:
        """Store ``cursor``; raises `ConflictError` when the lease is somebody else's by now."""

    def release(self, account: str, lease: str, *, complete_from_ms: int | None, withdrawn: bool = False) -> None:
        """End the lease; with ``complete_from_ms`` note that a pull begun then reached the end."""

    def all(self) -> Iterator[Account]:
        """Yield every account that is not withdrawn."""


class TicketRequests(Protocol):
    """The queue in front of the tickets."""

    def put(self, ticket: Ticket) -> None:
        """Return when the queue has it; ``ticket.number`` is empty still. Raises `TransientError`."""

    def put_changed(self, ticket: Ticket) -> None:
        """Tell that the ticket is in its present state now, behind whatever else is asked for its conversation.

        Telling the same state again within minutes is telling it once. Raises `TransientError`.
        """


class Tickets(Protocol):
    """Where tickets are kept. Every method raises `TransientError` when the store is out of reach."""

    def open(self, ticket: Ticket, *, day: str) -> Ticket:
        """Return the ticket with its number, new or as opened before by the same ``request_id``."""

    def get(self, number: str) -> Ticket | None:
        """Return one ticket."""

    def save(self, ticket: Ticket) -> Ticket:
        """Return it as saved, one version on; raises `ConflictError` when another version is stored."""

    def to_offer(self, *, by: int) -> Iterator[str]:
        """Yield the numbers of the open tickets that are to be offered (again) by ``by`` (epoch seconds)."""


class TicketCards(Protocol):
    """Tickets as cards that people of the company can press."""

    def show(self, ticket: Ticket, userids: Sequence[str], *, occasion: str, deadline: float) -> None:
        """Send the card to these people: an open ticket can be claimed or closed, an assigned one replied to or closed.

        Showing the same ticket again on the same ``occasion`` shows nothing twice. Raises `TransientError`,
        `PermanentError` when none of them can be reached, `MisconfiguredError`.
        """


class TicketSystem(Protocol):
    """The company's own ticket system."""

    def post(self, event: str, ticket: Ticket, *, deadline: float) -> None:
        """Return when it knows that the ticket was opened, assigned, answered or closed; it may be told so again.

        Raises `TransientError` when telling it later can help, `PermanentError` when it refuses.
        """


class Duties(Protocol):
    """What the people of the company are doing. Every method raises `TransientError` when the store is out of reach."""

    def get(self, conversation: str) -> Duty | None:
        """Return the duty of the person with this conversation of their own; it is forgotten two days after `set`."""

    def set(self, duty: Duty) -> None:
        """Keep ``duty`` in place of the one before."""

    def clear(self, conversation: str) -> None:
        """Forget the duty of this person, if there is one."""


class Staff(Protocol):
    """The people of the company, in the application's chat. Deadlines are on the monotonic clock.

    Each method may raise `TransientError`, `PermanentError` and `MisconfiguredError`.
    """

    def tell(self, userid: str, text: str, *, deadline: float) -> None:
        """Let one of them read ``text``, also when the same words went to them a moment ago."""

    def replace_card(self, userids: Sequence[str], response_code: str, text: str, *, deadline: float) -> None:
        """Let ``text`` take the place of the buttons of the card that ``response_code`` stands for.

        Raises `PermanentError` when the code was used before or is too old.
        """


class Puller(Protocol):
    """Fetches what a customer-service account has received."""

    def page(self, account: str, *, cursor: str, token: str, deadline: float) -> Page:
        """Return the next page; raises `TransientError`, `MisconfiguredError` when no account can be fetched.

        Any other `PermanentError` says that this account cannot: it is withdrawn, or gone.
        """


class AuditOfDay(Protocol):
    """The audit's records by day, a conversation's all in one shard. Raises `TransientError` when out of reach."""

    shards: int

    def of_day(self, day: str, shard: int) -> Iterator[AuditRecord]:
        """Yield the records written on ``day`` (UTC date) in one shard."""
