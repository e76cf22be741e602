"""`python -m simulators.traffic`: let many customers write, and tell what became of each message.

Exit status: 0 when everything was acknowledged and nothing was lost, doubled or out of order; 1 when not; 2 when
nothing was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import httpx

from ops.environment import DotenvError, settings_in_force
from simulators.conformance.serving import listen, serving
from simulators.traffic import report, trouble
from simulators.traffic.control import Control, WecomControl
from simulators.traffic.doors import AppDoor, KfDoor
from simulators.traffic.local import NoLocalRunError
from simulators.traffic.options import OptionsError, read_options
from simulators.traffic.plan import MARK, Channel, drawn
from simulators.traffic.processes import Memory
from simulators.traffic.report import Outcome
from simulators.traffic.sending import send_all
from simulators.traffic.usage import used
from simulators.traffic.verdict import judge
from simulators.wecom.app import WecomSimulator, serve
from simulators.wecom.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from simulators.traffic.options import Options
    from simulators.traffic.plan import Act
    from simulators.traffic.sending import Door, Sent
    from simulators.traffic.verdict import Verdict

_LOOK_EVERY_S = 3.0
_SETTLE_S = 5.0  # how long nothing more may come that should not
# What the simulated app answers: sure of itself, as fast as such apps are, and to one question in two messages.
_ANSWER = {"echo": MARK, "score": 0.95, "app": "any", "delay_ms": 800}
_ANSWERS = (
    {"text": "现货商品付款后 24 小时内发出，江浙沪一般 1–2 天送达，其他地区 2–4 天。", "between_ms": 20},
    {"match": "保养", "text": "每次用完请用温水冲洗，不要用钢丝球。\n\n" * 60, "between_ms": 3},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Send traffic, print what was seen, and return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        options = read_options(given, settings_in_force(Path.cwd(), os.environ))
        outcome = asyncio.run(_run(options))
    except (OptionsError, SettingsError, DotenvError, NoLocalRunError) as exc:
        print(f"traffic: {exc}", file=sys.stderr)
        return 2
    except OSError as exc:
        print(f"traffic: cannot listen: {exc.strerror}", file=sys.stderr)
        return 2
    except httpx.HTTPError as exc:
        print(f"traffic: a simulator does not answer ({type(exc).__name__})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(report.table(outcome))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(outcome), ensure_ascii=False), encoding="utf-8")
    return 0 if outcome.passed else 1


async def _run(options: Options) -> Outcome:
    async with contextlib.AsyncExitStack() as stack:
        if options.serve:
            await stack.enter_async_context(_wecom(options))
        wecom = await stack.enter_async_context(WecomControl(options.wecom)) if options.wecom else None
        fastgpts = [await stack.enter_async_context(Control(url)) for url in options.fastgpts]
        return await _traffic(options, wecom, fastgpts)


@contextlib.asynccontextmanager
async def _wecom(options: Options) -> AsyncIterator[None]:
    """Serve the simulated WeCom for a while."""
    async with serving(serve(WecomSimulator(options.settings)), listen(options.host, options.serve)):
        yield


async def _traffic(options: Options, wecom: WecomControl | None, fastgpts: Sequence[Control]) -> Outcome:
    acts = drawn(options.mix, options.seed, options.run)
    doors: dict[Channel, Door] = {Channel.APP: AppDoor(options.settings, Random(options.seed))}
    if wecom:
        doors[Channel.KF] = KfDoor(wecom)
        await wecom.introduce(sorted({act.customer for act in acts if act.channel is Channel.APP}))
    for fastgpt in fastgpts:
        await fastgpt.post("/answers", [{**_ANSWER, **answer} for answer in _ANSWERS])
    memory, since_ms = Memory(), int(time.time() * 1000)
    watching = asyncio.create_task(memory.watch(options.processes))
    troubling = None
    if options.troubled and wecom:
        vendors = {"wecom": wecom, "fastgpt": fastgpts[0]}
        troubling = asyncio.create_task(trouble.make(options.mix.seconds, vendors, options.processes, options.seed))
    try:
        sent = await send_all(acts, doors)
        troubles = await troubling if troubling else []
        verdict, drained_s = await _judged(options, wecom, acts, sent) if wecom else (None, 0.0)
    finally:
        watching.cancel()
        if troubling:
            troubling.cancel()
        for fastgpt in fastgpts:
            await fastgpt.delete("/answers")
    usage = await asyncio.to_thread(used, options.aws, since_ms) if options.aws else {}
    return Outcome(options.mix, options.seed, sent, verdict, memory, usage, troubles, drained_s)


async def _judged(
    options: Options, wecom: WecomControl, acts: Sequence[Act], sent: Sequence[Sent]
) -> tuple[Verdict, float]:
    """Return what became of everything, once nothing is waited for any more, and how long that took in seconds."""
    started = time.monotonic()
    customers = {act.customer: act.channel for act in acts}
    shown = await wecom.shown(customers)
    while time.monotonic() - started < options.drain_s:
        waiting = judge(sent, shown, options.phrases).waiting
        if not waiting:
            break
        await asyncio.sleep(_LOOK_EVERY_S)
        shown |= await wecom.shown({customer: customers[customer] for customer in waiting})
    drained_s = time.monotonic() - started
    await asyncio.sleep(_SETTLE_S)
    return judge(sent, await wecom.shown(customers), options.phrases), drained_s


if __name__ == "__main__":
    sys.exit(main())
