"""The simulated FastGPT as a whole server: out of order and well again, and with a canary beside its app."""

import httpx
import pytest

from tests.integration.simulators.fastgpt_server import COMPLETIONS, serving


def test_a_canary_answers_as_the_app_does_by_a_key_of_its_own_and_is_scripted_apart() -> None:
    canary = {"canary_app_id": "66f2a9c41d7e3b5508c6e1e7", "canary_api_key": "fastgpt-canary"}
    headers = {"Authorization": "Bearer fastgpt-canary"}
    with serving(**canary) as server:
        words = server.words("怎么开发票")
        asked = {"headers": headers, "appId": canary["canary_app_id"]}
        assert server.post("怎么开发票", **asked).json()["choices"][0]["message"]["content"] == words

        server.control("answers", {"app": "canary", "text": "新版本的回答"})
        assert server.post("怎么开发票", **asked).json()["choices"][0]["message"]["content"] == "新版本的回答"
        assert server.words("怎么开发票") == words
        assert server.post("怎么开发票", headers=headers).status_code == 500


@pytest.mark.parametrize("kind", ["cut", "hang", "503"])
def test_an_outage_is_met_by_every_call_until_it_ends(kind: str) -> None:
    with serving() as server:

        def probe() -> httpx.Response:
            query = {"appId": server.settings.app_id, "chatId": "probe"}
            return server.http.get("/api/core/chat/init", params=query, timeout=0.5)

        def ask() -> httpx.Response:
            return server.http.post(COMPLETIONS, json=server.body("怎么开发票", stream=True), timeout=0.5)

        server.control("outage", {"kind": kind})
        for call in (probe, ask):
            if kind == "503":
                assert call().status_code == 503
            else:
                with pytest.raises(httpx.TransportError):
                    call()
        assert server.http.get("/_control/outage").json()["outage"]

        server.http.delete("/_control/outage")

        assert probe().status_code == ask().status_code == 200


def test_there_is_no_other_outage() -> None:
    with serving() as server:
        response = server.http.post("/_control/outage", json={"kind": "fire"})
        assert (response.status_code, response.json()) == (400, {"error": "kind must be one of cut, hang, 503"})
