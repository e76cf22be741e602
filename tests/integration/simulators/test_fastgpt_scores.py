"""How sure the simulated FastGPT is: of what its FAQ really answers 0.8 and more, of everything else less."""

from collections.abc import Iterator

import pytest
import yaml

from simulators.fastgpt.settings import BUNDLED_FAQ
from simulators.fastgpt.workflow import UNKNOWN_REPLY
from tests.integration.simulators.fastgpt_server import Caller, node, serving

SURE = 0.8
FAQ = yaml.safe_load(BUNDLED_FAQ.read_text(encoding="utf-8"))
ASKED = [(question, entry["answer"]) for entry in FAQ["entries"] for question in entry["questions"]]
DETAILS = [
    (f"{name} {word}", facet["answer"])
    for subject in FAQ["subjects"]
    for name in (subject["name"], *subject["also"])
    for facet in subject["facets"]
    for word in facet["words"]
]


@pytest.fixture(scope="module", params=[True, False], ids=["reranked", "embedding"])
def server(request: pytest.FixtureRequest) -> Iterator[Caller]:
    with serving(rerank=request.param) as caller:
        yield caller


def best_score(server: Caller, question: str) -> tuple[str, float]:
    """Return the answer and the best score of its quotes, 0 when nothing was found."""
    answer = server.ask(question, detail=True)
    kind = "reRank" if server.settings.rerank else "embedding"
    quotes = node(answer["responseData"], "datasetSearchNode")["quoteList"]
    scores = [score["value"] for quote in quotes for score in quote["score"] if score["type"] == kind]
    return answer["choices"][0]["message"]["content"], max(scores, default=0.0)


@pytest.mark.parametrize(("question", "answer"), [*ASKED, *DETAILS])
def test_every_question_of_the_faq_gets_its_answer_for_sure(server: Caller, question: str, answer: str) -> None:
    said, score = best_score(server, question)
    assert said.strip() == answer.strip()
    assert SURE <= score <= 1.0


@pytest.mark.parametrize(
    "question",
    [
        "你们几点营业？",
        "那运费谁出？",
        "配送要多久？",
        "多少钱起送？",
        "你们有哪些产品？",
        "发货要多久呀",
        "你们周末几点下班啊",
        "我想退货",
        "can you ship to Japan",
        "公司团购有折扣吗",
        "在吗\n我想问一下\n怎么退货？",
        "你好\n多久能发货\n包邮吗",
    ],
)
def test_a_question_in_other_words_is_answered_for_sure(server: Caller, question: str) -> None:
    assert best_score(server, question)[1] >= SURE


@pytest.mark.parametrize("question", ["电影几点开始", "多久能学会游泳"])
def test_what_is_only_a_little_alike_is_answered_without_being_sure(server: Caller, question: str) -> None:
    said, score = best_score(server, question)
    assert said != UNKNOWN_REPLY
    assert 0.0 < score < SURE


@pytest.mark.parametrize(
    "question",
    [
        "火星上有生命吗",
        "今天天气怎么样",
        "讲个笑话",
        "股票会涨吗",
        "你们老板是谁",
        "能便宜点吗",
        "我的订单怎么还没到",
        "快递丢了怎么办",
        "钥匙丢了怎么办？",
        "tell me a joke",
        "xyzzy plugh",
    ],
)
def test_what_it_cannot_answer_finds_nothing(server: Caller, question: str) -> None:
    assert best_score(server, question) == (UNKNOWN_REPLY, 0.0)
