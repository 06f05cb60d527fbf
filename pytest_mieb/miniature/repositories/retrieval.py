"""Queries, a corpus and which belongs to which: the `beir` layout in the variants that the hub holds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from PIL import Image

from pytest_mieb.miniature.classes import classes
from pytest_mieb.miniature.drawing import see_through
from pytest_mieb.miniature.entities import entities, paragraph, question, title
from pytest_mieb.miniature.looks import draw_look, sketch
from pytest_mieb.miniature.pages import distinct_pages
from pytest_mieb.miniature.questions import (
    changed_garment,
    draw_garment,
    some_edit,
    some_garment,
    visual_question,
)
from pytest_mieb.miniature.scenes import Scene, changed, draw_scene, some_scene
from pytest_mieb.miniature.seeds import generator
from pytest_mieb.miniature.tables import IMAGE, INTEGER, TEXT, Encoded, Repository, Table, encoded, table

QUERIES = 200


@dataclass(frozen=True)
class Item:
    """A query or a document; `None` for a modality that it does not have."""

    id: str
    text: str | None = None
    image: Encoded | None = None
    title: str | None = None


@dataclass(frozen=True)
class Form:
    """How a repository spells the layout."""

    id: str = "id"
    queries: str = "queries"
    qrels: str = "qrels"
    both_columns: bool = False
    corpus_split: str = "test"


Qrel = tuple[str, str, int]


def beir(
    queries: Sequence[Item], corpus: Sequence[Item], qrels: Sequence[Qrel], form: Form = Form()
) -> Iterator[Table]:
    for config, split, items in ((form.queries, "test", queries), ("corpus", form.corpus_split, corpus)):
        features = {form.id: TEXT}
        if any(item.title for item in items):
            features["title"] = TEXT
        if form.both_columns or any(item.text is not None for item in items):
            features["text"] = TEXT
        if form.both_columns or any(item.image is not None for item in items):
            features["image"] = IMAGE
        features["modality"] = TEXT
        rows = [[getattr(item, {form.id: "id"}.get(name, name), None) for name in features] for item in items]
        for row, item in zip(rows, items, strict=True):
            row[-1] = ",".join(name for name in ("image", "text") if getattr(item, name) is not None)
        yield table(features, rows, split, config)
    features = {"query-id": TEXT, "corpus-id": TEXT, "score": INTEGER}
    yield table(features, qrels, "test", form.qrels)


def _same_class(
    path: str,
    per_class: int,
    skip_first: bool,
    grain: int = 14,
    form: Form = Form(),
    drawn: Callable[..., Image.Image] = draw_look,
) -> Iterator[Table]:
    """Queries of a class, and a corpus in which all of that class are relevant."""
    city = next((name for name in ("oxford", "paris") if f"/r-{name}-" in path), path)
    own, rng = classes()[city], generator("same class", path)
    corpus: list[Item] = []
    of = {}
    for i in range(per_class * len(own.names)):
        item = Item(f"c{i:05d}", image=encoded(draw_look(own.domain, own.names[i % len(own.names)], rng, grain)))
        if i in (len(own.names) * 2, len(own.names) * 3 + 1):
            item = replace(item, image=corpus[i - len(own.names)].image)
        corpus.append(item)
        of[item.id] = i % len(own.names)
    queries, qrels = [], []
    for i in range(QUERIES):
        label = i % len(own.names)
        if skip_first:
            self_id = corpus[i].id
            picture = corpus[i].image
        else:
            self_id = ""
            picture = encoded(drawn(own.domain, own.names[label], rng))
        queries.append(Item(f"q{i:05d}", image=picture))
        qrels += [(f"q{i:05d}", doc, 1) for doc, other in of.items() if other == label and doc != self_id]
    yield from beir(queries, corpus, qrels, form)


def _sketches_by_name() -> Iterator[Table]:
    """TU-Berlin: a name asks for its line drawings."""
    own, rng = classes()["mteb/tu-berlin"], generator("tu-berlin")
    corpus = [(i % len(own.names), sketch(own.domain, own.names[i % len(own.names)], rng)) for i in range(240)]
    docs = [
        Item(f"c{i}", image=encoded(see_through(image.convert("RGBA") if i % 16 == 0 else image.convert("L"), i)))
        for i, (_, image) in enumerate(corpus)
    ]
    queries = [Item(f"q{label}", text=name) for label, name in enumerate(own.names)]
    qrels = [(f"q{label}", f"c{i}", 1) for i, (label, _) in enumerate(corpus)]
    yield from beir(queries, docs, qrels)


def _landmark_names() -> Iterator[Table]:
    own, rng = classes()["mteb/gld-v2-i2t"], generator("gld-v2-i2t")
    queries = [
        Item(f"q{i}", image=encoded(draw_look(own.domain, own.names[i % len(own.names)], rng), "JPEG"))
        for i in range(QUERIES)
    ]
    corpus = [Item(f"c{label}", text=name) for label, name in enumerate(own.names)]
    yield from beir(queries, corpus, [(f"q{i}", f"c{i % len(own.names)}", 1) for i in range(QUERIES)])


def caption_of(scene: Scene, rng: random.Random) -> str:
    caption = scene.turned().caption() if scene.second and rng.random() < 0.3 else scene.caption()
    return rng.choice(("{}", "a photo of {}", "{} can be seen", "there is {}", "the picture shows {}")).format(caption)


def news_of(scene: Scene, rng: random.Random) -> str:
    return rng.choice(
        ("News: {} delights visitors.", "Police report {}.", "Thousands came to see {} yesterday.")
    ).format(scene.caption())


def _captions(
    path: str,
    images_first: bool,
    say: Callable[[Scene, random.Random], str],
    each: int,
    form: Form = Form(),
    jpeg: bool = False,
) -> Iterator[Table]:
    """Scenes and `each` captions of them, searched in one of the two directions."""
    rng = generator("captions", path)
    scenes = [some_scene(rng) for _ in range(QUERIES)]
    images = [Item(f"i{i}", image=encoded(draw_scene(s, rng), "JPEG" if jpeg else "PNG")) for i, s in enumerate(scenes)]
    texts = [Item(f"t{i}-{k}", text=say(s, rng)) for i, s in enumerate(scenes) for k in range(each)]
    pairs = [(f"i{i}", f"t{i}-{k}") for i in range(len(scenes)) for k in range(each)]
    if images_first:
        yield from beir(images, texts, [(image, text, 1) for image, text in pairs], form)
    else:
        yield from beir(texts, images, [(text, image, 1) for image, text in pairs], form)


def _fashion(path: str, images_first: bool, form: Form) -> Iterator[Table]:
    rng = generator(path)
    garments = [some_garment(rng) for _ in range(QUERIES)]
    images = [Item(f"i{i}", image=encoded(draw_garment(garment, rng))) for i, garment in enumerate(garments)]
    captions = list(dict.fromkeys(garment.caption() for garment in garments))
    texts = [Item(f"t{i}", text=text) for i, text in enumerate(captions)]
    pairs = [(f"i{i}", f"t{captions.index(garment.caption())}") for i, garment in enumerate(garments)]
    if images_first:
        yield from beir(images, texts, [(image, text, 1) for image, text in pairs], form)
    else:
        yield from beir(texts, images, [(text, image, 1) for image, text in pairs], form)


def _frames(form: Form) -> Iterator[Table]:
    """ImageCoDe: a caption and the one of ten similar pictures that it tells; here the corpus holds them all."""
    rng = generator("imagecode")
    queries, corpus, qrels = [], [], []
    for i in range(QUERIES // 2):
        scene = some_scene(rng, pair=0.7)
        group = [scene, *(changed(scene, rng) for _ in range(2))]
        corpus += [Item(f"c{i}-{k}", image=encoded(draw_scene(s, rng), "JPEG")) for k, s in enumerate(group)]
        for k in range(2):
            queries.append(Item(f"q{i}-{k}", text=group[k].caption()))
            qrels.append((f"q{i}-{k}", f"c{i}-{k}", 1))
    yield from beir(queries, corpus, qrels, form)


def _wishes() -> Iterator[Table]:
    """CIRR: a picture and how the wanted one differs; the picture itself is in the corpus too."""
    rng = generator("cirr")
    queries, corpus, qrels = [], [], []
    for i in range(QUERIES):
        edit = some_edit(rng)
        before, after = (encoded(see_through(draw_scene(scene, rng), i)) for scene in (edit.before, edit.after))
        queries.append(Item(f"q{i}", text=edit.wish, image=before))
        corpus += [Item(f"c{2 * i}", image=after), Item(f"c{2 * i + 1}", image=before)]
        qrels.append((f"q{i}", f"c{2 * i}", 1))
    yield from beir(queries, corpus, qrels)


def _fashion_wishes() -> Iterator[Table]:
    rng = generator("fashioniq")
    queries, corpus, qrels = [], [], []
    for i in range(QUERIES):
        before = some_garment(rng)
        after, wish = changed_garment(before, rng)
        queries.append(Item(f"q{i}", text=wish, image=encoded(draw_garment(before, rng))))
        corpus.append(Item(f"c{i}", image=encoded(draw_garment(after, rng))))
        qrels.append((f"q{i}", f"c{i}", 1))
    yield from beir(queries, corpus, qrels)


def _similar_pictures() -> Iterator[Table]:
    """NIGHTS: the same scene once more, among scenes in which one thing differs."""
    rng = generator("nights")
    queries, corpus, qrels = [], [], []
    for i in range(QUERIES):
        scene = some_scene(rng, pair=0.5)
        queries.append(Item(f"q{i}", image=encoded(draw_scene(scene, rng))))
        corpus.append(Item(f"c{2 * i}", image=encoded(draw_scene(scene, rng))))
        corpus.append(Item(f"c{2 * i + 1}", image=encoded(draw_scene(changed(scene, rng), rng))))
        qrels.append((f"q{i}", f"c{2 * i}", 1))
    yield from beir(queries, corpus, qrels, Form(both_columns=True))


def _answers(path: str, form: Form, odd_modes: bool = False) -> Iterator[Table]:
    """VQA: picture and question ask for a short answer out of all answers."""
    rng = generator("answers", path)
    asked = [visual_question(rng) for _ in range(240)]
    answers = list(dict.fromkeys(choice for q in asked for choice in (q.answer, *q.choices)))
    queries = []
    for i, q in enumerate(asked):
        image = q.image.convert("P", palette=Image.Palette.ADAPTIVE) if odd_modes and i % 12 == 0 else q.image
        if odd_modes:
            image = see_through(image, i)
        queries.append(Item(f"q{i}", text=q.text, image=encoded(image)))
    corpus = [Item(f"c{i}", text=answer) for i, answer in enumerate(answers)]
    yield from beir(queries, corpus, [(f"q{i}", f"c{answers.index(q.answer)}", 1) for i, q in enumerate(asked)], form)


def _encyclopaedia(path: str, sections: tuple[str, ...], pictured: bool, titled: bool) -> Iterator[Table]:
    """A picture of a thing and a question about it ask for a paragraph, perhaps with another picture of the thing."""
    rng = generator("encyclopaedia", path)
    corpus: list[Item] = []
    for i, entity in enumerate(entities()):
        for section in sections:
            picture = encoded(draw_look(*entity, rng)) if pictured else None
            name = title(entity) if titled else None
            corpus.append(Item(f"c{i}-{section}", paragraph(entity, section), picture, name))
    queries, qrels = [], []
    for k in range(240):
        i = rng.randrange(len(entities()))
        asked = entities()[i]
        section = sections[k % len(sections)]
        queries.append(Item(f"q{k}", question(asked, section, rng), encoded(draw_look(*asked, rng))))
        qrels.append((f"q{k}", f"c{i}-{section}", 1))
    yield from beir(queries, corpus, qrels, Form(qrels="default"))


def _illustrated(path: str, ask: Callable[[Scene, random.Random], str]) -> Iterator[Table]:
    """A text asks for a picture with its caption."""
    rng = generator("illustrated", path)
    queries, corpus, qrels = [], [], []
    for i in range(QUERIES):
        scene = some_scene(rng)
        queries.append(Item(f"q{i}", text=ask(scene, rng)))
        corpus.append(Item(f"c{2 * i}", news_of(replace(scene, place=""), rng), encoded(draw_scene(scene, rng))))
        qrels.append((f"q{i}", f"c{2 * i}", 1))
        if i % 2:
            other = changed(scene, rng)
            corpus.append(Item(f"c{2 * i + 1}", news_of(other, rng), encoded(draw_scene(other, rng))))
    yield from beir(queries, corpus, qrels)


def wonder(scene: Scene, rng: random.Random) -> str:
    return rng.choice(("Which picture shows {}?", "Is there a photo with {}?")).format(scene.caption())


def _texts() -> Iterator[Table]:
    """WebQA among texts: a question about a page, and sentences about all pages."""
    rng = generator("webqa texts")
    pages = [page for domain in ("energy", "finance", "science") for page in distinct_pages(domain, 70, rng)]
    queries = [Item(f"q{i}", page.question(rng)) for i, page in enumerate(pages)]
    corpus = [Item(f"c{i}", page.caption()) for i, page in enumerate(pages)]
    yield from beir(queries, corpus, [(f"q{i}", f"c{i}", 1) for i in range(len(pages))], Form(id="_id"))


def _same_scene(form: Form) -> Iterator[Table]:
    """BLINK: which picture of two shows the same as the query's?"""
    rng = generator("blink pictures")
    queries, corpus, qrels = [], [], []
    for i in range(QUERIES):
        scene = some_scene(rng, pair=0.5)
        other = changed(changed(scene, rng), rng)
        while other == scene:
            other = changed(scene, rng)
        queries.append(Item(f"q{i}", SAME, encoded(draw_scene(scene, rng))))
        pair = [(Item(f"c{i}-{k}", image=encoded(draw_scene(s, rng))), 1 - k) for k, s in enumerate((scene, other))]
        rng.shuffle(pair)
        for item, score in pair:
            corpus.append(item)
            if score:
                qrels.append((f"q{i}", item.id, score))
    yield from beir(queries, corpus, qrels, form)


SAME = "Which image shows the same things as the reference image?"


def repositories() -> dict[str, Repository]:
    plain, hidden, frames = Form(), Form(both_columns=True), Form(queries="query", corpus_split="corpus")
    found: dict[str, Repository] = {
        "mteb/cub200_retrieval": partial(_same_class, "mteb/cub200_retrieval", 10, True),
        "mteb/stanford_cars_retrieval": partial(_same_class, "mteb/stanford_cars_retrieval", 10, True),
        "mteb/met": partial(_same_class, "mteb/met", 10, True),
        "mteb/rp2k": partial(_same_class, "mteb/rp2k", 10, True, 24),
        "mteb/stanford-online-products": partial(_same_class, "mteb/stanford-online-products", 10, True),
        "mteb/forb_retrieval": partial(_same_class, "mteb/forb_retrieval", 10, False),
        "mteb/gld-v2": partial(_same_class, "mteb/gld-v2", 10, False, form=Form(qrels="default")),
        "mteb/sketchy": partial(_same_class, "mteb/sketchy", 20, False, drawn=sketch),
        "mteb/tu-berlin": _sketches_by_name,
        "mteb/gld-v2-i2t": _landmark_names,
        "mteb/flickr30ki2t": partial(_captions, "flickr i2t", True, caption_of, 2, Form(id="_id")),
        "mteb/flickr30kt2i": partial(_captions, "flickr t2i", False, caption_of, 2),
        "mteb/mbeir_mscoco_task0": partial(_captions, "mscoco t2i", False, caption_of, 1, hidden),
        "mteb/mbeir_mscoco_task3": partial(_captions, "mscoco i2t", True, caption_of, 1, jpeg=True),
        "mteb/mbeir_visualnews_task0": partial(_captions, "news t2i", False, news_of, 1, jpeg=True),
        "mteb/mbeir_visualnews_task3": partial(_captions, "news i2t", True, news_of, 1, hidden),
        "mteb/mbeir_fashion200k_task0": partial(_fashion, "fashion t2i", False, plain),
        "mteb/mbeir_fashion200k_task3": partial(_fashion, "fashion i2t", True, hidden),
        "mteb/imagecode": partial(_frames, frames),
        "mteb/mbeir_cirr_task7": _wishes,
        "mteb/mbeir_fashioniq_task7": _fashion_wishes,
        "mteb/mbeir_nights_task4": _similar_pictures,
        "mteb/vizwiz": partial(_answers, "vizwiz", plain, True),
        "mteb/vqa-2": partial(_answers, "vqa-2", Form(qrels="default")),
        "mteb/mbeir_infoseek_task6": partial(_encyclopaedia, "infoseek", ("place", "country"), False, True),
        "mteb/InfoSeekIT2ITRetrieval": partial(_encyclopaedia, "infoseek pictured", ("place", "country"), True, False),
        "mteb/mbeir_oven_task6": partial(_encyclopaedia, "oven", ("name",), False, True),
        "mteb/mbeir_oven_task8": partial(_encyclopaedia, "oven pictured", ("name",), True, False),
        "mteb/mbeir_edis_task2": partial(_illustrated, "edis", news_of),
        "mteb/mbeir_webqa_task2": partial(_illustrated, "webqa", wonder),
        "mteb/mbeir_webqa_task1": _texts,
        "mteb/blink-it2i": partial(_same_scene, plain),
        "mteb/blink-it2t": partial(_answers, "blink", plain),
    }
    for city in ("oxford", "paris"):
        for level, grain in (("easy", 10), ("medium", 30), ("hard", 50)):
            path = f"mteb/r-{city}-{level}-multi"
            found[path] = partial(_same_class, path, 18, False, grain)
    return found
