"""What the miniature's model learns from: examples of the same world as the datasets, from other seeds.

An example says that a query (image, text or both) belongs to a target (image, text or both), and perhaps names a text
that does not belong although its words are nearly the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image

from pytest_mieb.miniature import questions
from pytest_mieb.miniature.classes import classes, prompts
from pytest_mieb.miniature.entities import SECTIONS, entities, paragraph, question
from pytest_mieb.miniature.looks import draw_look, sketch
from pytest_mieb.miniature.pages import (
    TOPICS,
    draw_figure,
    draw_meme,
    draw_page,
    draw_review,
    draw_sentence,
    sentence_lines,
    some_meme,
    some_page,
    some_review,
)
from pytest_mieb.miniature.repositories.labelled import DIGITS_OF_THE_MODEL, digits, draw_digit
from pytest_mieb.miniature.repositories.pairs import shuffled
from pytest_mieb.miniature.repositories.retrieval import SAME, caption_of, news_of, wonder
from pytest_mieb.miniature.scenes import Scene, changed, draw_scene, some_scene, swapped
from pytest_mieb.miniature.seeds import generator
from pytest_mieb.miniature.words import languages

SIDE = 64
RENDERED = ("en", "ko", "ar", "de", "tr", "es", "fr", "it", "nl", "pl", "pt", "ru", "zh")


@dataclass(frozen=True)
class Example:
    query_image: np.ndarray | None = None
    query_text: str | None = None
    image: np.ndarray | None = None
    text: str | None = None
    wrong: str | None = None


def seen(image: Image.Image) -> np.ndarray:
    """The pixels as the model's processor makes them, before normalisation."""
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _wrong(scene: Scene, rng: random.Random) -> Scene:
    return swapped(scene, rng) if scene.second and rng.random() < 0.6 else changed(scene, rng)


def _scenes(rng: random.Random) -> list[Example]:
    """A scene and one that is nearly the same, each with its caption and, as a wrong one, the other's or a jumble."""
    scene = some_scene(rng, pair=0.75, plain=rng.random() < 0.3)
    other = _wrong(scene, rng)
    examples = []
    for this, that in ((scene, other), (other, scene)):
        say = rng.choice((caption_of, caption_of, news_of, wonder)) if rng.random() < 0.5 else None
        caption = say(this, rng) if say else this.caption()
        wrong = shuffled(caption, rng) if rng.random() < 0.3 and " " in caption else that.caption()
        examples.append(Example(seen(draw_scene(this, rng)), text=caption, wrong=wrong))
    return examples


def _tongues(rng: random.Random) -> list[Example]:
    scene = some_scene(rng, pair=0.5)
    language = rng.choice(tuple(languages()))
    picture = seen(draw_scene(scene, rng))
    caption = (scene.turned() if scene.second and rng.random() < 0.5 else scene).caption(language)
    return [Example(picture, text=caption, wrong=_wrong(scene, rng).caption(language))]


@cache
def _spoken_classes() -> tuple[tuple[str, str, str], ...]:
    """Domain, name and prompt of every class of the zero-shot tasks that has pictures."""
    said = prompts()
    return tuple(
        (own.domain, own.names[label], said[path][label])
        for path, own in classes().items()
        if path in said and own.domain != "digit"
        for label in own.shown
    )


def _looks(rng: random.Random) -> list[Example]:
    what = rng.random()
    if what < 0.06:
        index = rng.randrange(DIGITS_OF_THE_MODEL)
        spoken = prompts()["mteb/mnist"][int(digits()[1][index])]
        return [Example(seen(draw_digit(index, rng)), text=spoken)]
    if what < 0.12:
        own = classes()[rng.choice(("mteb/tu-berlin", "mteb/gld-v2-i2t"))]
        name = rng.choice(own.names)
        drawn = (sketch if own.domain == "object" else draw_look)(own.domain, name, rng)
        return [Example(seen(drawn), text=name)]
    if what < 0.22:
        domain = rng.choice(("face", "number", "distance", "tissue", "land"))
        some = [spoken for spoken in _spoken_classes() if spoken[0] == domain]
    else:
        some = list(_spoken_classes())
    domain, name, spoken = rng.choice(some)
    return [Example(seen(draw_look(domain, name, rng)), text=spoken)]


def _sentences(rng: random.Random) -> list[Example]:
    """A rendered sentence belongs to its text, to its translation, or to the same sentence in another language."""
    scene = some_scene(rng, pair=0.9, plain=True)
    if rng.random() < 0.5:
        scene = replace(scene, place="")
    language = rng.choice(RENDERED)
    picture = seen(draw_sentence(scene, language, rng, rng.choice((96, 112))))
    if rng.random() < 0.3:
        other = seen(draw_sentence(scene, rng.choice((language, "en")), rng, rng.choice((96, 112))))
        return [Example(picture, image=other)]
    written = " ".join(sentence_lines(scene, rng.choice((language, "en"))))
    return [Example(picture, text=written, wrong=" ".join(sentence_lines(changed(scene, rng), "en")))]


def _pages(rng: random.Random) -> list[Example]:
    page = some_page(rng.choice(tuple(TOPICS)), rng)
    other = replace(page, place=some_page(page.domain, rng).place, topic=some_page(page.domain, rng).topic)
    wrong = None if (other.topic, other.place) == (page.topic, page.place) else other
    if rng.random() < 0.25:
        return [Example(seen(draw_figure(page, rng)), text=page.caption(), wrong=wrong.caption() if wrong else None)]
    if rng.random() < 0.15:
        return [Example(query_text=page.question(rng), text=page.caption())]
    return [Example(seen(draw_page(page, rng)), text=page.question(rng), wrong=wrong.question(rng) if wrong else None)]


def _readings(rng: random.Random) -> list[Example]:
    if rng.random() < 0.3:
        positive = rng.random() < 0.5
        spoken = ("a negative review of a movie", "a positive review of a movie")
        picture = seen(draw_review(some_review(positive, rng), rng))
        return [Example(picture, text=spoken[positive], wrong=spoken[not positive])]
    lines = some_meme(rng)
    return [Example(seen(draw_meme(lines, rng)), text=" ".join(lines))]


ASKED = (
    questions.visual_question,
    questions.visual_question,
    questions.count_question,
    questions.relation_question,
    questions.depth_question,
    questions.distance_question,
)


def _questions(rng: random.Random) -> list[Example]:
    asked = rng.choice(ASKED)(rng)
    wrong = rng.choice([choice for choice in asked.choices if choice != asked.answer])
    return [Example(seen(asked.image), asked.text, text=asked.answer, wrong=wrong)]


def _wishes(rng: random.Random) -> list[Example]:
    """A picture and a wish; the picture as it was is another query's target, so that standing still is wrong."""
    if rng.random() < 0.35:
        garment = questions.some_garment(rng)
        other, wish = questions.changed_garment(garment, rng)
        one, two = (seen(questions.draw_garment(g, rng)) for g in (garment, other))
        if rng.random() < 0.5:
            return [Example(one, text=garment.caption(), wrong=other.caption())]
        return [Example(one, wish, image=two)]
    edit = questions.some_edit(rng)
    before, after = (seen(draw_scene(scene, rng)) for scene in (edit.before, edit.after))
    return [Example(before, edit.wish, image=after), Example(query_text=edit.before.caption(), image=before)]


def _things(rng: random.Random) -> list[Example]:
    entity = rng.choice(entities())
    section, picture = rng.choice(SECTIONS), seen(draw_look(*entity, rng))
    text = paragraph(entity, section)
    if rng.random() < 0.5:
        text = f"{entity[1].replace('_', ' ')} {text}"
    return [Example(picture, question(entity, section, rng), text=text)]


def _views(rng: random.Random) -> list[Example]:
    """Two pictures of the same."""
    if rng.random() < 0.4:
        scene = some_scene(rng, pair=0.5)
        one, two = (seen(draw_scene(scene, rng)) for _ in range(2))
        return [Example(one, SAME if rng.random() < 0.5 else None, image=two)]
    name = f"thing {rng.randrange(10**6)}"
    domain = rng.choice(("bird", "car", "building", "product", "object", "object"))
    drawn = sketch if domain == "object" and rng.random() < 0.5 else draw_look
    return [Example(seen(drawn(domain, name, rng)), image=seen(draw_look(domain, name, rng)))]


# kind -> what makes its examples, and how many of its lessons are in one step
LESSONS: dict[str, tuple[Callable[[random.Random], list[Example]], int]] = {
    "scenes": (_scenes, 34),
    "tongues": (_tongues, 30),
    "looks": (_looks, 44),
    "sentences": (_sentences, 26),
    "pages": (_pages, 24),
    "readings": (_readings, 20),
    "questions": (_questions, 30),
    "wishes": (_wishes, 10),
    "things": (_things, 10),
    "views": (_views, 8),
}


def lessons(kind: str, start: int, stop: int) -> list[list[Example]]:
    """The lessons of a kind with the numbers from `start` to `stop`, the same ones on every machine."""
    teach = LESSONS[kind][0]
    return [teach(generator("lesson", kind, number)) for number in range(start, stop)]
