"""The people who may use the app: who has written, and who was added by hand."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

_USERID = re.compile(r"[0-9A-Za-z_.@-]{1,64}")


class MemberError(ValueError):
    """A userid is not of the shape that WeCom gives out."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the enterprise; `visible` tells whether the app's visible range includes the member.

    `status`: 1 active, 2 disabled, 4 not activated, 5 left (WeCom developer docs, path 90196).
    """

    userid: str
    name: str = ""
    department: tuple[int, ...] = (1,)
    position: str = ""
    status: int = 1
    visible: bool = True

    def __post_init__(self) -> None:
        """Refuse a malformed userid."""
        if _USERID.fullmatch(self.userid) is None:
            raise MemberError("userid: 1 to 64 of 0-9 A-Z a-z _ . @ - are expected")

    @property
    def reachable(self) -> bool:
        """Tell whether the app can send to the member."""
        return self.visible and self.status == 1

    def profile(self) -> dict[str, object]:
        """Return what user/get tells a self-built app: no avatar, gender, mobile or mail since June 2022."""
        return {
            "userid": self.userid,
            "name": self.name or self.userid,
            "department": list(self.department),
            "order": [0] * len(self.department),
            "position": self.position,
            "is_leader_in_dept": [0] * len(self.department),
            "direct_leader": [],
            "main_department": self.department[0] if self.department else 0,
            "status": self.status,
            "alias": "",
            "telephone": "",
            "extattr": {"attrs": []},
        }


class Directory:
    """The members by userid, which is not case-sensitive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: dict[str, Member] = {}

    def put(self, member: Member) -> None:
        """Add or replace a member."""
        with self._lock:
            self._members[member.userid.lower()] = member

    def find(self, userid: str) -> Member | None:
        """Return the member, or `None` when unknown."""
        with self._lock:
            return self._members.get(userid.lower())

    def remove(self, userid: str) -> bool:
        """Forget a member; tell whether there was one."""
        with self._lock:
            return self._members.pop(userid.lower(), None) is not None

    def all(self) -> list[Member]:
        """Return every member in the order of their first use."""
        with self._lock:
            return list(self._members.values())

    def clear(self) -> None:
        """Forget every member."""
        with self._lock:
            self._members.clear()
