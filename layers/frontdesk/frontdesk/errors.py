"""Every error Frontdesk raises: a stable code, and whether trying again can help.

The tree::

    FrontdeskError
    ├── SettingsError               a setting is missing or malformed: fail at start
    ├── RejectedCallbackError       the callback is not to be trusted or not to be read
    │   ├── ForbiddenCallbackError      signature, timestamp or receiver: HTTP 403
    │   └── MalformedCallbackError      size, XML, base64, padding: HTTP 400
    ├── MalformedMessageError       a queue message that no release of ours wrote
    ├── UnopenableError             a sealed value does not open: a key is missing, or it was altered or moved
    │   └── ErasedError                 … because its customer's key was destroyed on purpose
    ├── ConflictError               somebody else saved first: read again
    ├── TransientError              trying again, later, can help
    │   └── ChargeUnknownError          who is in charge of a customer cannot be read: nothing may be said
    └── PermanentError              trying again cannot help; a person or a change must
        ├── AllowanceError              the vendor takes no more messages until the customer writes again
        ├── TakenOverError              a person is in charge of the customer, or nobody is any more
        ├── NobodyError                 no person takes the customer now
        └── MisconfiguredError          … and until then every message fails the same way

Texts are for operators. They never hold a secret, a customer's words or a customer's identity, so they
may be logged as they are.
"""


class FrontdeskError(Exception):
    """Base of all our errors.

    ``code`` is stable, in snake case: the log field and the word a runbook looks for.
    ``retryable`` says whether the same work may succeed later without anybody changing anything.
    """

    code = "frontdesk_error"
    retryable = False

    def __init__(self, text: str, *, code: str | None = None) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code


class SettingsError(FrontdeskError):
    """One or more settings are missing or malformed; ``problems`` names each, values left out."""

    code = "settings_invalid"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("settings are missing or malformed: " + "; ".join(problems))
        self.problems = problems


class RejectedCallbackError(FrontdeskError):
    """A callback that must not be acted on."""

    code = "callback_rejected"


class ForbiddenCallbackError(RejectedCallbackError):
    """The sender did not prove to be WeCom, or the callback is for somebody else, or too old."""

    code = "callback_forbidden"


class MalformedCallbackError(RejectedCallbackError):
    """The body cannot be read."""

    code = "callback_malformed"


class MalformedMessageError(FrontdeskError):
    """A queue message that cannot be read: it belongs in the dead-letter queue."""

    code = "message_malformed"


class UnopenableError(FrontdeskError):
    """A sealed value does not open. It is never taken for an empty one.

    ``key_id`` names the key that would be needed, or was used; empty where the value does not even tell.
    """

    code = "unopened"

    def __init__(self, text: str, *, key_id: str, code: str | None = None) -> None:
        super().__init__(text, code=code)
        self.key_id = key_id


class ErasedError(UnopenableError):
    """The key that opens it was destroyed, because its customer was erased."""

    code = "erased"


class ConflictError(FrontdeskError):
    """A versioned item was changed by somebody else since it was read."""

    code = "conflict"
    retryable = True


class TransientError(FrontdeskError):
    """A failure that may pass: time-out, overload, a busy chat.

    ``retry_after_s`` is the shortest wait that can help, in seconds, where the other side named one.
    ``misconfigured`` tells that, beside it, a person must change something.
    """

    code = "transient"
    retryable = True

    def __init__(
        self, text: str, *, code: str | None = None, retry_after_s: float = 0.0, misconfigured: bool = False
    ) -> None:
        super().__init__(text, code=code)
        self.retry_after_s = retry_after_s
        self.misconfigured = misconfigured


class PermanentError(FrontdeskError):
    """A failure that the same request will meet every time."""

    code = "permanent"


class ChargeUnknownError(TransientError):
    """Who is in charge of a customer could not be read. The machine stays silent rather than talk over a person."""

    code = "charge_unknown"


class AllowanceError(PermanentError):
    """The vendor takes no more messages to this customer until the customer writes again: too many, or too late."""

    code = "allowance_spent"


class TakenOverError(PermanentError):
    """The vendor takes no message of the machine: a person is in charge, or the session has ended."""

    code = "taken_over"


class NobodyError(PermanentError):
    """No person of the company can be given the customer now."""

    code = "nobody"


class MisconfiguredError(PermanentError):
    """A wrong key, address, agent or trusted IP: a person must change something first."""

    code = "misconfigured"
