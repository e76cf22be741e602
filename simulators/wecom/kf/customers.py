"""The people who write from WeChat.

Source: WeCom developer docs, path 95159. Their ids begin with wm (WeChat) or wo (WeCom), which is not enforced here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from simulators.wecom.jsonfields import FieldError

_EXTERNAL_USERID = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Entrance:
    """How a customer last came into the chat; `at` is epoch seconds."""

    scene: str
    scene_param: str
    at: float
    wechat_channels: dict[str, object] | None = None

    def context(self) -> dict[str, object]:
        """Return the parts as enter_session and batchget show them."""
        channels = {"wechat_channels": self.wechat_channels} if self.wechat_channels else {}
        return {"scene": self.scene, "scene_param": self.scene_param, **channels}


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer. Since the platform tells the gender of hardly anyone, it is 0 unless set."""

    external_userid: str
    nickname: str = "微信用户"
    gender: int = 0
    unionid: str = ""
    entrance: Entrance | None = None

    def __post_init__(self) -> None:
        """Refuse a malformed id."""
        if _EXTERNAL_USERID.fullmatch(self.external_userid) is None:
            raise FieldError("external_userid: 1 to 64 of 0-9 A-Z a-z _ - are expected")

    def profile(self) -> dict[str, object]:
        """Return what batchget tells without the context."""
        return {
            "external_userid": self.external_userid,
            "nickname": self.nickname,
            "avatar": "",
            "gender": self.gender,
            "unionid": self.unionid,
        }


class Customers:
    """Every customer by id."""

    def __init__(self) -> None:
        self._customers: dict[str, Customer] = {}

    def meet(self, external_userid: str) -> Customer:
        """Return the customer, who is known from now on."""
        return self._customers.setdefault(external_userid, Customer(external_userid))

    def put(self, customer: Customer) -> None:
        """Add a customer, or replace all but how the customer came."""
        held = self._customers.get(customer.external_userid)
        self._customers[customer.external_userid] = replace(customer, entrance=held.entrance) if held else customer

    def enter(self, external_userid: str, entrance: Entrance) -> None:
        """Note how a customer came."""
        self._customers[external_userid] = replace(self.meet(external_userid), entrance=entrance)

    def find(self, external_userid: object) -> Customer | None:
        """Return the customer, or `None` when unknown."""
        return self._customers.get(external_userid) if isinstance(external_userid, str) else None

    def all(self) -> list[Customer]:
        """Return every customer in the order of their first use."""
        return list(self._customers.values())

    def clear(self) -> None:
        """Forget every customer."""
        self._customers.clear()
