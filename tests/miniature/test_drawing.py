"""The same seed gives the same picture; pictures show what they should."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_mieb.data.rgb import as_rgb, on_white
from pytest_mieb.miniature.drawing import see_through, silhouette
from pytest_mieb.miniature.lessons import RENDERED
from pytest_mieb.miniature.lettering import font, shaped
from pytest_mieb.miniature.looks import DISTANCES, EXPRESSIONS, NUMBERS, PLANS, draw_look, look_of
from pytest_mieb.miniature.pages import sentence_lines
from pytest_mieb.miniature.scenes import Scene, Thing, draw_scene, some_scene, swapped
from pytest_mieb.miniature.seeds import generator, spread
from pytest_mieb.miniature.tables import encoded
from pytest_mieb.miniature.words import COUNTS, PLACES, RELATIONS, SHAPES, languages


def test_seeds_do_not_depend_on_the_process() -> None:
    code = "from pytest_mieb.miniature.seeds import number_of; print(number_of('look', 'bird', 3))"
    said = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)}
    assert len(said) == 1


def test_spread_is_even_and_ordered() -> None:
    assert spread(range(10), 3) == [0, 3, 6]
    assert spread("ab", 5) == ["a", "b"]


@pytest.mark.parametrize("domain", [*PLANS, "object", "texture", "land", "flag", "sign"])
def test_look_is_the_names_own(domain: str) -> None:
    pictures = [draw_look(domain, name, generator("x")).tobytes() for name in ("one", "one", "another")]
    assert pictures[0] == pictures[1] != pictures[2]


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        *(("face", name) for name in EXPRESSIONS),
        *(("number", name) for name in NUMBERS[3:]),
        *(("distance", name) for name in DISTANCES),
    ],
)
def test_every_meaning_can_be_drawn(domain: str, name: str) -> None:
    assert draw_look(domain, name, generator(name)).mode == "RGB"


def test_looks_differ_within_a_domain() -> None:
    assert len({look_of("bird", f"bird {i}") for i in range(30)}) == 30


@pytest.mark.parametrize("shape", SHAPES)
def test_silhouettes_are_neither_empty_nor_full(shape: str) -> None:
    mask = silhouette(shape, 20)
    assert 0.15 < sum(value > 0 for value in mask.tobytes()) / (mask.width * mask.height) < 0.97


@pytest.mark.parametrize("relation", RELATIONS)
def test_relation_decides_the_halves(relation: str) -> None:
    scene = Scene(Thing("square", "red", "big"), Thing("circle", "blue", "big"), relation)
    image = draw_scene(scene, generator("halves"), (96, 96))
    at = {"above": (48, 24), "below": (48, 72), "left of": (24, 48), "right of": (72, 48)}[relation]
    colour = image.getpixel(at)
    assert isinstance(colour, tuple)
    red, _, blue = colour
    assert red > blue + 60


def test_swapping_keeps_the_words() -> None:
    rng = generator("swaps")
    for _ in range(50):
        scene = some_scene(rng, pair=1, plain=True)
        other = swapped(scene, rng)
        assert other != scene
        assert sorted(other.caption().split()) == sorted(scene.caption().split())


def test_every_25th_picture_is_transparent_in_one_of_four_ways() -> None:
    image = draw_scene(some_scene(generator("frame")), generator("frame"), (40, 30))
    assert all(see_through(image, number) is image for number in range(1, 25))
    found = [see_through(image, 25 * turn) for turn in range(5)]
    assert [each.mode for each in found] == ["RGBA", "LA", "P", "P", "RGBA"]
    assert [type(each.info.get("transparency")) for each in found[2:4]] == [int, bytes]
    for each in found:
        alpha = each.convert("RGBA").getchannel("A")
        assert (each.size, alpha.getpixel((0, 0)), alpha.getextrema()) == (image.size, 0, (0, 255))
        assert as_rgb(each).getpixel((0, 0)) != on_white(each).getpixel((0, 0)) == (255, 255, 255)
    assert found[0].tobytes() == found[4].tobytes()
    assert {each.convert("RGBA").getchannel("A").getpixel((3, 3)) for each in (found[0], found[1], found[3])} == {128}


def test_the_hash_of_a_picture_sees_what_is_transparent() -> None:
    image = draw_scene(some_scene(generator("frame")), generator("frame"), (40, 30))
    keyed, alphas = (see_through(image, number) for number in (50, 75))
    assert keyed.tobytes() == alphas.tobytes()
    assert encoded(keyed).pixels != encoded(alphas).pixels


@pytest.mark.parametrize("language", RENDERED)
def test_font_has_the_glyphs_of_every_rendered_language(language: str) -> None:
    for word in languages()[language].words.values():
        for glyph in shaped(word):
            cjk = ord(glyph) > 0x2E80 and not 0xFB50 <= ord(glyph) < 0xFF00
            missing = font(16, cjk).getmask("\uffff").getbbox(), bytes(font(16, cjk).getmask("\uffff"))
            drawn = font(16, cjk).getmask(glyph)
            assert glyph == " " or (drawn.getbbox(), bytes(drawn)) != missing, (word, glyph)


def test_arabic_letters_join() -> None:
    isolated_qaf, final_waw, initial_feh = "\ufed5", "\ufeee", "\ufed3"
    assert shaped("فوق") == isolated_qaf + final_waw + initial_feh
    assert shaped("red") == "red"


def test_sentence_has_one_word_to_a_line() -> None:
    scene = Scene(Thing("circle", "red"), Thing("star", "blue"), "left of", "at sea")
    assert sentence_lines(scene, "en") == ["red", "circle", "left of", "blue", "star", "at sea"]
    assert len(COUNTS) == 5 and len(PLACES) == 4
