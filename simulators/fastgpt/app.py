"""A FastGPT server as a Starlette app, to mount under any prefix: completions is `{mount}/api/v1/chat/completions`.

Served (`{BASE}` is `{mount}/api`):
  POST {BASE}/v1/chat/completions                    stream and not, detail and not
  GET  {BASE}/core/chat/init                         POST {BASE}/core/chat/history/getHistories
  POST {BASE}/core/chat/record/getPaginationRecords  GET  {BASE}/core/chat/record/getResData
  POST {BASE}/core/chat/feedback/updateUserFeedback
  GET  {BASE}/common/system/getInitData              GET  {BASE}/support/openapi/health

Scripted over `{mount}/_control/`:
  POST /_control/faults   {"kind": …, "match": …, "times": …, …}    GET lists those that wait, DELETE drops them
  POST /_control/outage   {"kind": "cut" | "hang" | "503"}           the whole server, probes too; GET, DELETE likewise
  POST /_control/answers  {"match": …, "text": …, …}                 GET, DELETE likewise
  GET  /_control/runs     what was asked, and how it ended            DELETE forgets it
  GET  /_control/feedback what users said of answers                  DELETE forgets it
  POST /_control/reset    forgets everything, as DELETE /_control/ does

Kinds of faults and their own parameters (all take match, app, times, path, headers_ms, first_ms, between_ms and
split_bytes):
  error        statusText or code + message; after_chunks puts it in mid-run      (every row of FastGPT's error table)
  error_event  the same, always as an event in a stream
  json_error   the same, always in JSON; status
  status       status, body, content_type                                         (a bare HTTP answer)
  html         status, body                                                       (a proxy's page)
  cut          after_chunks (3), clean                                            (dropped, or ended without [DONE])
  silence      after_chunks (0), seconds (until the caller leaves), before ("words" | "headers"), heartbeats
  empty        -                                                                  (a normal end without text)
  node_error   message, text                                                      (the model failed)
  slow         -                                                                  (only the delays)
  garbage      after_chunks (0), body

An answer says any of: match, app, times, text, chunks, echo (a pattern: what it finds in the question is said first),
fixed, reasoning, tools, variables (that the workflow sets), intent (the class that a question classifier chose), score
(of what a dataset search found, 0 for nothing), nodes (in place of the usual ones), interactive (an object, or the name
of a sample: userSelect, userInput, agentAsk, paymentPause), error, delay_ms, between_ms. Without score and variables
nothing tells how sure the app is.

Faults and answers meet the main app alone unless `app` is lite, canary or any, because an order to sum a conversation
up holds the conversation's words.

README.md beside this file shows each with curl.
"""

from starlette.applications import Starlette
from starlette.routing import Route

from simulators.fastgpt.completions import Completions
from simulators.fastgpt.control import Control
from simulators.fastgpt.records import Records
from simulators.fastgpt.server import start_server
from simulators.fastgpt.settings import FastgptSettings

__all__ = ["FastgptSettings", "create_app"]


def create_app(settings: FastgptSettings) -> Starlette:
    """Return a server with an empty memory. Raises OSError or ValueError for an unreadable FAQ."""
    server = start_server(settings)
    routes = [
        Route("/api/v1/chat/completions", Completions(server).answer, methods=["POST"]),
        *(
            route
            for route in Records(server).routes()
            if server.dialect.key_health or not route.path.endswith("/openapi/health")
        ),
        *Control(server).routes(),
    ]
    return Starlette(routes=routes)
