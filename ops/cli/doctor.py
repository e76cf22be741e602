"""`doctor`: looks at everything that a deployment stands on, and explains what is wrong in Chinese and English."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ops.cli.frame import FOUND, Outcome, operates, plural, printable
from ops.deployment import ROOT
from ops.doctor.ground import Ground
from ops.doctor.plan import examine
from ops.doctor.words import FIX, RESULTS, WHY, Words, advice_on, title_of
from ops.environment import DotenvError, settings_in_force
from ops.template import load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from frontdesk.records import Checked
    from ops.desk import Desk

_LANGUAGES: dict[str, Callable[[Words], list[str]]] = {
    "zh": lambda words: [words.zh],
    "en": lambda words: [words.en],
    "both": lambda words: [words.zh, words.en],
}


@click.command()
@click.option("--ask", is_flag=True, help="Ask each FastGPT app one question, which costs points.")
@click.option("--url", default="", metavar="URL", help="The callback's address in WeCom's console, if it is another.")
@click.option(
    "--lang", type=click.Choice(list(_LANGUAGES)), default="both", show_default=True, help="The language of the words."
)
@operates
def doctor(desk: Desk, *, ask: bool, url: str, lang: str) -> Outcome:
    """Check settings, callback, WeCom, FastGPT and AWS, and explain each fault with its fix.

    It changes nothing. WeCom and FastGPT are called from inside the deployment, by its own function.
    """
    try:
        settings = settings_in_force(ROOT, os.environ)
    except DotenvError as error:
        raise click.UsageError(str(error)) from None
    ground = Ground(desk, template=load_template(ROOT / "template.yaml"), settings=settings)
    found = list(examine(ground, ask=ask, url=url))
    counts = Counter(each.result for each in found)
    lines = [line for each in found for line in _lines(each, lang)]
    lines.append(
        f"{plural(len(found), 'check')}: "
        + ", ".join(f"{counts[result]} {words.en}" for result, words in RESULTS.items() if counts[result])
    )
    facts = {"checks": [_facts(each) for each in found], "counts": {result: counts[result] for result in RESULTS}}
    return Outcome(facts, lines, FOUND if counts["failed"] else 0)


def _facts(checked: Checked) -> dict[str, Any]:
    advice = advice_on(checked)
    return {
        **asdict(checked),
        "title": asdict(title_of(checked.name)),
        "why": asdict(advice.why) if advice else None,
        "fix": asdict(advice.fix) if advice and advice.fix else None,
    }


def _lines(checked: Checked, lang: str) -> Iterator[str]:
    """Yield one line for the check, and the explanations under it where it is not well."""
    said = _LANGUAGES[lang]
    mark = " ".join(said(RESULTS[checked.result]))
    seen = [checked.about] if checked.about else []
    # What fills a sentence below need not stand here, too.
    seen += [
        f"{name}={value}" for name, value in checked.seen.items() if checked.result == "ok" or len(str(value)) < 40
    ]
    told = "  ".join([f"[{mark}]", " / ".join(said(title_of(checked.name))), *seen])
    yield printable(told + (f"  ({checked.code})" if checked.code else ""))
    advice = advice_on(checked)
    if advice is None:
        return
    for number in range(len(said(WHY))):
        for label, words in ((WHY, advice.why), (FIX, advice.fix)):
            if words is not None:
                yield printable(f"    {said(label)[number]}: {said(words)[number]}")
