"""Pages, memes, figures: what has to be read."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from pytest_mieb.miniature.drawing import see_through
from pytest_mieb.miniature.pages import (
    distinct_pages,
    draw_figure,
    draw_meme,
    draw_page,
    some_meme,
)
from pytest_mieb.miniature.seeds import generator
from pytest_mieb.miniature.tables import IMAGE, INTEGER, TEXT, Encoded, Repository, Table, encoded, table

# dataset -> domain of its pages, pages, questions asked
VIDORE = {
    "mteb/arxivqa_test_subsampled_beir": ("science", 150, 200),
    "mteb/docvqa_test_subsampled_beir": ("letters", 150, 200),
    "mteb/infovqa_test_subsampled_beir": ("posters", 150, 200),
    "mteb/shiftproject_test_beir": ("climate", 160, 200),
    "mteb/syntheticDocQA_artificial_intelligence_test_beir": ("artificial_intelligence", 160, 200),
    "mteb/syntheticDocQA_energy_test_beir": ("energy", 160, 200),
    "mteb/syntheticDocQA_government_reports_test_beir": ("government_reports", 160, 200),
    "mteb/syntheticDocQA_healthcare_industry_test_beir": ("healthcare_industry", 160, 200),
    "mteb/tabfquad_test_subsampled_beir": ("tableaux", 80, 200),
    "mteb/tatdqa_test_beir": ("finance", 120, 240),
}


SEE_THROUGH = "mteb/arxivqa_test_subsampled_beir"


def _vidore(path: str) -> Iterator[Table]:
    domain, n_pages, n_questions = VIDORE[path]
    rng = generator(path)
    pages = distinct_pages(domain, n_pages, rng)
    drawn = [draw_page(page, rng) for page in pages]
    if path == SEE_THROUGH:
        drawn = [see_through(page, i) for i, page in enumerate(drawn)]
    corpus = list(enumerate(map(encoded, drawn)))
    corpus += [(n_pages + i, corpus[7 * i][1]) for i in range(2)]  # scanned twice
    asked = [i % n_pages for i in range(n_questions)]
    queries = [(i, pages[page].question(rng)) for i, page in enumerate(asked)]
    yield table({"query-id": INTEGER, "query": TEXT}, queries, config="queries")
    yield table({"corpus-id": INTEGER, "image": IMAGE}, corpus, config="corpus")
    qrels = [(i, page, 1) for i, page in enumerate(asked)]
    yield table({"query-id": INTEGER, "corpus-id": INTEGER, "score": INTEGER}, qrels, config="qrels")


def _memes(n: int, rng: random.Random) -> list[tuple[Encoded, list[str]]]:
    lines = [some_meme(rng) for _ in range(n)]
    return [(encoded(see_through(draw_meme(one, rng), i)), one) for i, one in enumerate(lines)]


def _hateful_memes() -> Iterator[Table]:
    features = {"id": INTEGER, "image": IMAGE, "text": TEXT, "split": TEXT, "label": INTEGER}
    rng = generator("hateful memes")
    known: list[list[str]] = []
    for part, (split, n) in enumerate((("train", 120), ("validation", 40), ("test", 240))):
        rows = []
        for i, (image, lines) in enumerate(_memes(n, rng)):
            if known and i % 15 == 14:  # the same text over another picture
                lines = rng.choice(known)
                image = encoded(draw_meme(lines, rng))
            known.append(lines)
            rows.append((10_000 * (part + 1) + i, image, " ".join(lines), split, i % 2))
        yield table(features, rows, split)


def _memotion() -> Iterator[Table]:
    kinds = ("humor", "sarcasm", "offensive", "motivational", "sentiment")
    features = {"image": IMAGE, "text_ocr": TEXT, "text_corrected": TEXT, **dict.fromkeys(kinds, TEXT), "split": TEXT}
    rng = generator("memotion")
    for split, n in (("train", 160), ("test", 240)):
        rows = []
        for i, (image, lines) in enumerate(_memes(n, rng)):
            text = " ".join(lines)
            corrected = None if i % 40 == 39 else text
            rows.append((image, text.upper(), corrected, *("none" for _ in kinds), split))
        yield table(features, rows, split)


def _scimmir() -> Iterator[Table]:
    rng = generator("scimmir")
    rows = []
    for i in range(240):
        domain = ("science", "energy", "finance")[i % 3]
        page = distinct_pages(domain, 1, rng)[0]
        image = encoded(see_through(draw_figure(page, rng), i))
        rows.append((f"fig-{i}", image, page.caption(), "fig_result", "figure", "result", "test"))
    features = {"file_name_index": TEXT, "image": IMAGE}
    features |= dict.fromkeys(("text", "class", "super_class", "sub_class", "split"), TEXT)
    yield table(features, rows)


def repositories() -> dict[str, Repository]:
    found: dict[str, Repository] = {path: partial(_vidore, path) for path in VIDORE}
    return found | {
        "mteb/MMSoc_HatefulMemes": _hateful_memes,
        "mteb/MMSoc_Memotion_corrected": _memotion,
        "mteb/SciMMIR": _scimmir,
    }
