"""The report of one reviewed day: its counts, the document that keeps them, and the page that people read.

Neither holds any words of a customer or of the machine. The page is made from the document alone, so the two always
agree. Everything on it is escaped: rule ids come from a file that people write, the rest from tables.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from frontdesk.messages import Action

SCHEMA = "frontdesk.review/1"
# An id that may stand in a command: somebody will paste it into a shell.
_PLAIN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ACTIONS = {"block": "拦截 block", "handoff": "转人工 hand off", "mask": "遮盖 mask", "tag": "标记 tag"}
_KINDS = {
    "fallback": "兜底语 fallback",
    "filtered": "过滤后 filtered",
    "generated": "模型回答 generated",
    "handoff": "转人工语 hand-off",
    "interim": "等待语 interim",
    "said": "固定用语 said",
    "truncated": "截断后 truncated",
    "unmasked": "还原后 unmasked",
}


@dataclass(frozen=True, slots=True)
class Suspect:
    """One record whose words a customer was told, and the rules of today that they break."""

    conversation: str
    seq: int
    kind: str
    at_ms: int
    rule_ids: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """What a review counts. Counters are by rule id, but ``unopened`` is by key id.

    ``found`` and ``suspicious`` count texts by the rules of today, at any of their steps and as they were told;
    ``blocked``, ``handed_off`` and ``masked`` count what the rules of then did, ``blocks``, ``handoffs`` and
    ``masks`` the records of it. ``opened`` are the items that were new.
    """

    records: int = 0
    conversations: int = 0
    sampled: int = 0
    texts: int = 0
    blocks: int = 0
    handoffs: int = 0
    masks: int = 0
    erased: int = 0
    unopened: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    suspicious: Counter[str] = field(default_factory=Counter)
    blocked: Counter[str] = field(default_factory=Counter)
    handed_off: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    actions: dict[str, Action] = field(default_factory=dict)
    suspects: list[Suspect] = field(default_factory=list)
    opened: set[tuple[str, int]] = field(default_factory=set)

    def __iadd__(self, other: Tally) -> Self:
        for name in ("records", "conversations", "sampled", "texts", "blocks", "handoffs", "masks", "erased"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("unopened", "found", "suspicious", "blocked", "handed_off", "masked"):
            getattr(self, name).update(getattr(other, name))
        self.actions |= other.actions
        self.suspects += other.suspects
        self.opened |= other.opened
        return self


def document(
    tally: Tally, *, day: str, number: int, rules_version: str, sample_percent: int, reviewed_at: int
) -> dict[str, Any]:
    """Return what is kept of the review of ``day``; ``reviewed_at`` is epoch seconds."""
    rule_ids = sorted({*tally.found, *tally.blocked, *tally.handed_off, *tally.masked})
    return {
        "schema": SCHEMA,
        "day": day,
        "number": number,
        "reviewed_at": reviewed_at,
        "rules_version": rules_version,
        "sample_percent": sample_percent,
        "export": f"audit/dt={day}/",
        "records": tally.records,
        "conversations": tally.conversations,
        "sampled": tally.sampled,
        "texts": tally.texts,
        "blocked": tally.blocks,
        "handed_off": tally.handoffs,
        "masked": tally.masks,
        "suspicious": len(tally.suspects),
        "erased": tally.erased,
        "unopened": tally.unopened.total(),
        "unopened_keys": dict(sorted(tally.unopened.items())),
        "rules": [
            {
                "rule_id": rule_id,
                "action": str(tally.actions.get(rule_id, "")),
                "found": tally.found[rule_id],
                "suspicious": tally.suspicious[rule_id],
                "blocked": tally.blocked[rule_id],
                "handed_off": tally.handed_off[rule_id],
                "masked": tally.masked[rule_id],
            }
            for rule_id in rule_ids
        ],
        "items": [
            {
                "conversation": each.conversation,
                "seq": each.seq,
                "kind": each.kind,
                "at_ms": each.at_ms,
                "rule_ids": list(each.rule_ids),
            }
            for each in sorted(tally.suspects, key=lambda suspect: (suspect.conversation, suspect.seq))
        ],
    }


def page(report: Mapping[str, Any]) -> str:
    """Return ``report`` as one HTML page that needs nothing else: no script, no other file, no network."""
    day = escape(report["day"])
    facts = (
        ("规则版本", "rules", report["rules_version"]),
        ("审查时间", "reviewed at", _time(report["reviewed_at"])),
        ("抽样比例", "sample", f"{report['sample_percent']}%"),
        ("报告序号", "report no.", report["number"]),
        ("审计导出", "audit export", report["export"]),
    )
    counts = (
        ("可疑未拦截", "suspicious", report["suspicious"], report["suspicious"]),
        ("已拦截", "blocked", report["blocked"], 0),
        ("已转人工", "handed off", report["handed_off"], 0),
        ("已遮盖", "masked", report["masked"], 0),
        ("已审文本", "texts judged", report["texts"], 0),
        ("抽中会话", "conversations sampled", f"{report['sampled']} / {report['conversations']}", 0),
        ("审计记录", "audit records", report["records"], 0),
        ("已删除", "erased", report["erased"], 0),
        ("无法解密", "unopened", report["unopened"], report["unopened"]),
    )
    return f"""<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>合规审查报告 {day}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>合规审查报告 {day} {_english("Compliance review, UTC day")}</h1>
<dl class="facts">
{_lines(f"<div><dt>{zh} {_english(en)}</dt><dd>{escape(str(value))}</dd></div>" for zh, en, value in facts)}
</dl>
<ul class="counts">
{_lines(_count(zh, en, value, alarming=bool(alarming)) for zh, en, value, alarming in counts)}
</ul>
{_unopened(report["unopened_keys"])}
<h2>可疑未拦截的回复 {_english("Told to a customer, and against a rule of today")}</h2>
{_items(report["items"], report["export"])}
<h2>按规则统计 {_english("By rule")}</h2>
{_rules(report["rules"])}
<p class="note">本报告不含任何对话内容。查看原文需要密钥。
{_english("This report holds no words of anybody. Reading them takes the key.")}</p>
</main>
</body>
</html>
"""


def _items(items: Iterable[Mapping[str, Any]], export: str) -> str:
    rows = [
        (
            escape(_time(item["at_ms"] // 1000)),
            escape(_KINDS.get(item["kind"], item["kind"])),
            "<br>".join(f"<code>{escape(rule_id)}</code>" for rule_id in item["rule_ids"]),
            f"<code>{escape(item['conversation'])}</code> · {int(item['seq'])}",
            _command(item),
            f"<code>{escape(export)}</code>",
        )
        for item in items
    ]
    heads = (
        ("时间", "UTC"),
        ("类别", "kind"),
        ("违反的规则", "rules"),
        ("会话 · 序号", "conversation, seq"),
        ("查看封存记录", "show the sealed record"),
        ("导出位置", "S3 key"),
    )
    return _table(heads, rows, nothing="没有发现可疑的回复。", nothing_en="Nothing was found.")


def _command(item: Mapping[str, Any]) -> str:
    if not _PLAIN_ID.fullmatch(item["conversation"]):
        return f"会话编号异常 {_english('not an id of ours')}"
    show = f"audit show --conversation {item['conversation']} --seq {int(item['seq'])}"
    return f'<code class="command">make ops ARGS="{show}"</code>'


def _rules(rules: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        (
            f"<code>{escape(rule['rule_id'])}</code>",
            escape(_ACTIONS.get(rule["action"], rule["action"] or "–")),
            *(str(int(rule[name])) for name in ("found", "suspicious", "blocked", "handed_off", "masked")),
        )
        for rule in rules
    ]
    heads = (
        ("规则", "rule"),
        ("现行动作", "action today"),
        ("现行规则命中", "found today"),
        ("其中已告知客户", "of these told"),
        ("当时拦截", "blocked then"),
        ("当时转人工", "handed off then"),
        ("当时遮盖", "masked then"),
    )
    return _table(heads, rows, nothing="没有规则命中。", nothing_en="No rule found anything.")


def _table(heads: Iterable[tuple[str, str]], rows: Iterable[Iterable[str]], *, nothing: str, nothing_en: str) -> str:
    """Return a table whose cells are HTML already."""
    body = _lines("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    if not body:
        return f"<p>{nothing} {_english(nothing_en)}</p>"
    head = "".join(f'<th scope="col">{zh} {_english(en)}</th>' for zh, en in heads)
    # It scrolls sideways on a phone, so it takes the keyboard's focus.
    return f"""<div class="wide" tabindex="0">
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>"""


def _unopened(keys: Mapping[str, int]) -> str:
    if not keys:
        return ""
    named = "、".join(f"<code>{escape(key_id or '?')}</code>（{int(records)}）" for key_id, records in keys.items())
    english = "Records did not open, so this review is not complete. Missing keys, with their records."
    return f'<p class="alarming">有记录无法解密，审查不完整。缺少的密钥：{named} {_english(english)}</p>'


def _count(zh: str, en: str, value: object, *, alarming: bool) -> str:
    kind = ' class="alarming"' if alarming else ""
    return f"<li{kind}><b>{escape(str(value))}</b> {zh} {_english(en)}</li>"


def _english(text: str) -> str:
    return f'<small lang="en">{escape(text)}</small>'


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2024; --soft: #5b636b; --line: #d5dade; --alarm: #a8071a; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181b; --ink: #e6e9ec; --soft: #a0a8b0; --line: #363c42; --alarm: #ff8b80; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.6 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
small { display: block; color: var(--soft); font-size: .8rem; font-weight: normal; line-height: 1.3; }
dl, ul { margin: 0 0 1rem; padding: 0; list-style: none;
  display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
dt, dd { margin: 0; overflow-wrap: anywhere; }
dd { font-weight: 600; }
li { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .75rem; }
li b { display: block; font-size: 1.4rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.alarming, .alarming small { color: var(--alarm); }
li.alarming { border-color: var(--alarm); border-width: 2px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top; }
code { font-family: ui-monospace, Consolas, monospace; font-size: .85em; overflow-wrap: anywhere; }
td code { min-width: 7rem; display: inline-block; }
td code.command { min-width: 15rem; user-select: all; }
.note { margin-top: 2rem; color: var(--soft); font-size: .9rem; }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #333; --line: #888; --alarm: #000; }
  @page { size: A4 landscape; margin: 12mm; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .wide { overflow: visible; }
  tr, li { break-inside: avoid; }
  thead { display: table-header-group; }
  td code, td code.command { min-width: 0; }
}
"""
