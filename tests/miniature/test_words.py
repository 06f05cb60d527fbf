"""Every language of the suite can say everything about a scene."""

from __future__ import annotations

import pytest

from pytest_mieb.miniature.scenes import Scene, Thing
from pytest_mieb.miniature.words import KINDS, languages
from pytest_mieb.suite.cards import load_tasks

SCENE = Scene(Thing("circle", "red", count=2), Thing("star", "blue"), "above", "at night")


def spoken() -> list[str]:
    """The language codes that the multilingual tasks name, rendered pairs taken apart."""
    tasks = (task for task in load_tasks().values() if "multilingual" in task.suites)
    return sorted({code for task in tasks for subset in task.subsets for code in subset.split("-")})


@pytest.mark.parametrize("code", spoken())
def test_language_knows_every_word(code: str) -> None:
    words = languages()[code].words
    assert set(words) == {word for kind in KINDS.values() for word in kind}
    assert all(words.values())


@pytest.mark.parametrize("code", sorted(languages()))
def test_words_of_a_kind_differ(code: str) -> None:
    words = languages()[code].words
    for kind, english in KINDS.items():
        assert len({words[word] for word in english}) == len(english), kind


@pytest.mark.parametrize(
    ("code", "caption"),
    [
        ("en", "two red circles above blue star at night"),
        ("de", "zwei rot Kreis über blau Stern bei Nacht"),
        ("fr", "deux cercle rouge au-dessus de étoile bleu la nuit"),
        ("tr", "mavi yıldız üstünde iki kırmızı daire gecede"),
        ("zh", "蓝色星形上面有两个红色圆形在夜里"),
    ],
)
def test_caption_follows_the_order_of_the_language(code: str, caption: str) -> None:
    assert SCENE.caption(code) == caption


def test_a_scene_told_from_the_other_side_is_the_same_picture() -> None:
    assert SCENE.turned().caption() == "blue star below two red circles at night"
    assert SCENE.turned().turned() == SCENE
