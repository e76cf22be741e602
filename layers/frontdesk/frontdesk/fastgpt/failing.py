"""What an error of an endpoint means to the ladder: whether its circuit hears of it, and who may be asked instead.

Sources: FastGPT 4.16, its error table (packages/global/common/error/code/*) and its limits. The history of a chat lives
in one FastGPT only, and a team's points and requests per minute are shared by all its apps and keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from frontdesk.errors import MisconfiguredError, PermanentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontdesk.errors import FrontdeskError


class Circuiting(StrEnum):
    """What the circuit makes of an error."""

    COUNTED = "counted"  # enough of them open it
    OPENS = "opens"  # this one does: nobody else will fare better until a person acts
    OPENS_RELIEVED = "opens_relieved"  # this one does where others can answer meanwhile, else enough of them
    IGNORED = "ignored"  # it tells nothing of the endpoint


class Instead(StrEnum):
    """Who may be asked instead."""

    ANY = "any"
    OTHER_TEAM = "other_team"  # an endpoint of another team: this team's all fare the same
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error means."""

    circuit: Circuiting
    instead: Instead


_OUTAGE = Meaning(Circuiting.COUNTED, Instead.ANY)
# It has cost a customer many seconds already. Where somebody else can answer, the next ones need not pay them too.
_HANGING = Meaning(Circuiting.OPENS_RELIEVED, Instead.ANY)
_BROKEN_APP = Meaning(Circuiting.OPENS, Instead.ANY)
_BROKEN_TEAM = Meaning(Circuiting.OPENS, Instead.OTHER_TEAM)
_TEAM_BUSY = Meaning(Circuiting.IGNORED, Instead.OTHER_TEAM)
_THIS_REQUEST = Meaning(Circuiting.IGNORED, Instead.NOBODY)

# Where the code tells more than the kind: permanent ones are about this request, misconfigured ones about the app, and
# transient ones about the server.
_BY_CODE: Mapping[str, Meaning] = {
    "fastgpt_silent": _HANGING,
    "fastgpt_chat_busy": _THIS_REQUEST,
    "fastgpt_too_many_uploads": _THIS_REQUEST,
    "fastgpt_team_limit": _TEAM_BUSY,
    "fastgpt_too_many_requests": _TEAM_BUSY,
    "fastgpt_out_of_points": _BROKEN_TEAM,
    "fastgpt_out_of_quota": _BROKEN_TEAM,
    "fastgpt_dataset_full": _BROKEN_TEAM,
    "fastgpt_key_unknown": _BROKEN_TEAM,
    "fastgpt_credentials_refused": _BROKEN_TEAM,
}

OUT_OF_POINTS = frozenset({"fastgpt_out_of_points", "fastgpt_out_of_quota"})


def meaning_of(error: FrontdeskError) -> Meaning:
    """Return what ``error`` means."""
    listed = _BY_CODE.get(error.code)
    if listed is not None:
        return listed
    if isinstance(error, MisconfiguredError):
        return _BROKEN_APP
    return _THIS_REQUEST if isinstance(error, PermanentError) else _OUTAGE
