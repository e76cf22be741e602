"""What hides a word from a simple search does not hide it from a rule; and a verdict points at what it is about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frontdesk.messages import Action
from frontdesk.protection.folding import fold, readable
from frontdesk.protection.rules import MASK, RuleSet

CHINESE = ("内部价", "赌博网站", "约炮", "稳赚不赔", "忽略以上指令")
LATIN = ("internal price", "jailbreak", "onlinecasino")
RULES = RuleSet.read(
    'version: "1"\nrules:\n  - {id: words, applies_to: [answer], action: mask, keywords: ['
    + ", ".join((*CHINESE, *LATIN))
    + "]}\n"
)
TRADITIONAL = str.maketrans("内价赌网赚赔约", "內價賭網賺賠約")
UNSEEN = st.sampled_from(["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\ufe0f", "\u034f", "\u3164"])
BETWEEN = st.sampled_from([" ", "\u3000", "\t", ".", "*", "-", "_", "·", "~", "💰", "/", "+"])
# Surroundings that hold nothing of the words, and nothing that a Latin word could run on into.
AROUND = st.text(st.sampled_from("好的，。！ 您订单123\n"), max_size=20)


def wide(character: str) -> str:
    return chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character


def disguised(word: str, between: list[str]) -> str:
    return "".join(character + filler for character, filler in zip(word, [*between, ""], strict=False))


@given(AROUND, st.sampled_from(CHINESE), st.data(), AROUND)
def test_whatever_stands_between_its_characters_a_chinese_word_is_found(
    before: str, word: str, data: st.DataObject, after: str
):
    gaps = st.lists(st.one_of(st.just(""), UNSEEN, BETWEEN), min_size=len(word) - 1, max_size=len(word) - 1)
    written = disguised(data.draw(st.sampled_from([word, word.translate(TRADITIONAL)])), data.draw(gaps))

    verdict = RULES.judge_answer(before + written + after)

    assert (len(before), len(before) + len(written)) in {(each.start, each.end) for each in verdict.findings}


@given(st.sampled_from(LATIN), st.data())
def test_however_it_is_written_a_latin_word_is_found(word: str, data: st.DataObject):
    upper = data.draw(st.lists(st.booleans(), min_size=len(word), max_size=len(word)))
    full = data.draw(st.lists(st.booleans(), min_size=len(word), max_size=len(word)))
    characters = [each.upper() if up else each for each, up in zip(word, upper, strict=True)]
    characters = [wide(each) if is_full else each for each, is_full in zip(characters, full, strict=True)]
    gaps = st.lists(st.one_of(st.just(""), UNSEEN, st.just("-")), min_size=len(word) - 1, max_size=len(word) - 1)
    written = disguised("".join(characters), data.draw(gaps))

    verdict = RULES.judge_answer(f"您好 {written} 好")

    assert [(each.start, each.end) for each in verdict.findings] == [(3, 3 + len(written))]


@given(st.sampled_from(LATIN), st.sampled_from([" ", ".", "  ", " . ", "\n", "，"]))
def test_a_latin_word_that_is_spelled_out_is_found(word: str, gap: str):
    assert RULES.judge_answer(gap.join(word.replace(" ", ""))).findings


@given(st.sampled_from(LATIN), st.sampled_from("abcz019é"), st.booleans())
def test_a_latin_word_inside_a_longer_one_is_not_found(word: str, more: str, in_front: bool):  # noqa: FBT001
    assert not RULES.judge_answer(more + word if in_front else word + more).findings


@given(st.text(), st.data())
def test_an_answer_that_came_in_pieces_is_judged_like_one_that_came_whole(noise: str, data: st.DataObject):
    answer = noise + data.draw(st.sampled_from(CHINESE)) + noise
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=8)))
    pieces = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]

    assert RULES.judge_answer("".join(pieces)) == RULES.judge_answer(answer)


@given(st.lists(st.one_of(st.text(), st.sampled_from(CHINESE + LATIN)), max_size=8).map("".join))
def test_findings_lie_within_the_text_and_only_masked_words_change(text: str):
    verdict = RULES.judge_answer(text)

    assert all(0 <= each.start < each.end <= len(text) for each in verdict.findings)
    assert all(each.action is Action.MASK for each in verdict.findings)
    if not verdict.findings:
        assert verdict.text == text
    else:
        first = min(each.start for each in verdict.findings)
        last = max(each.end for each in verdict.findings)
        assert verdict.text.startswith(text[:first] + MASK)
        assert verdict.text.endswith(MASK + text[last:])


@given(st.text(st.characters()))
def test_folding_any_text_remembers_where_each_character_stood(text: str):
    folded = fold(text)

    assert len(folded.text) == len(folded.starts) == len(folded.ends) == len(folded.gaps) - 1
    assert folded.starts == sorted(folded.starts)
    assert all(0 <= start < end <= len(text) for start, end in zip(folded.starts, folded.ends, strict=True))


@given(st.text())
def test_what_is_folded_once_stays_as_it_is(text: str):
    once = fold(text).text

    assert fold(once).text == once


@given(st.text())
def test_the_plain_form_remembers_where_each_character_stood(text: str):
    plain = readable(text)

    assert len(plain.starts) == len(plain.text)
    assert all(0 <= start < len(text) for start in plain.starts)
