"""`python -m tests.chaos [--messages N] [--interim] [--dooms SHARE] [seed …]`: prints the table of these runs, and what they found."""

from __future__ import annotations

import argparse
import logging
import secrets
import sys

from tests.chaos.plan import Plan
from tests.chaos.run import run
from tests.chaos.verdict import Verdict, table
from tests.chaos.wecom import served

_SEEDS = (1, 2, 3, 4)


def main() -> int:
    """Run each seed and return the exit status: 1 when a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help=f"{_SEEDS} and a random one when none is named")
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--interim", action="store_true", help="announce slow answers, by a timer of its own")
    parser.add_argument("--dooms", type=float, default=0.2, help="share of invocations in which the process dies")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that one run may take")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)  # thousands of failed attempts are meant
    verdicts: dict[str, Verdict] = {}
    with served() as address:
        for seed in chosen.seeds or [*_SEEDS, secrets.randbelow(10**6)]:
            plan = Plan(seed, messages=chosen.messages, interim=chosen.interim, dooms=chosen.dooms)
            verdicts[f"seed {seed}"], _ = run(plan, address, limit_s=chosen.limit)
            sys.stderr.write(f"seed {seed}: {verdicts[f'seed {seed}'].numbers['seconds']} s\n")
    sys.stdout.write(f"{table(verdicts)}\n")
    broken = [
        f"{seed}: {name}: {each}"
        for seed, verdict in verdicts.items()
        for name, found in verdict.promises.items()
        for each in found
    ]
    sys.stdout.write("".join(f"{line}\n" for line in broken))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
