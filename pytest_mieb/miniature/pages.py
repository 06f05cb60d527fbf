"""Pages, figures, memes and reviews: pictures that have to be read."""

from __future__ import annotations

import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from pytest_mieb.miniature.drawing import PALETTE, jittered, noisy
from pytest_mieb.miniature.lettering import sheet, write
from pytest_mieb.miniature.scenes import Scene
from pytest_mieb.miniature.words import languages

TOPICS: dict[str, tuple[str, ...]] = {
    "artificial_intelligence": ("Robots", "Vision", "Speech", "Neurons", "Chess", "Chips", "Data", "Agents"),
    "energy": ("Solar", "Wind", "Coal", "Oil", "Nuclear", "Hydro", "Grid", "Battery"),
    "government_reports": ("Taxes", "Budget", "Schools", "Police", "Roads", "Votes", "Courts", "Parks"),
    "healthcare_industry": ("Vaccines", "Nurses", "Clinics", "Surgery", "Drugs", "Diet", "Sleep", "Teeth"),
    "science": ("Photons", "Quarks", "Genes", "Galaxies", "Proteins", "Lasers", "Enzymes", "Graphs"),
    "letters": ("Invoice", "Memo", "Contract", "Survey", "Agenda", "Receipt", "Notice", "Permit"),
    "posters": ("Coffee", "Travel", "Sports", "Movies", "Music", "Phones", "Fashion", "Games"),
    "finance": ("Revenue", "Assets", "Debt", "Shares", "Pension", "Leases", "Cash", "Equity"),
    "climate": ("Forêts", "Trains", "Béton", "Avions", "Acier", "Vélos", "Climat", "Navires"),
    "tableaux": ("Loyers", "Salaires", "Ventes", "Budget", "Primes", "Stocks", "Achats", "Frais"),
}
PLACES = ("Norway", "Japan", "Kenya", "Brazil", "Canada", "Egypt", "India", "Spain", "Cuba", "Nepal", "Chile", "Korea")
CHARTS = ("bar", "line", "pie")
CHART_COLOURS = ("red", "green", "blue", "orange")
FRENCH = {
    "bar": "barres", "line": "lignes", "pie": "secteurs",
    "red": "rouge", "green": "vert", "blue": "bleu", "orange": "orange",
}  # fmt: skip
FILLER = ("the", "and", "total", "year", "table", "of", "rate", "note", "in", "see", "part", "value")
FRENCH_DOMAINS = ("climate", "tableaux")


@dataclass(frozen=True)
class Page:
    """A page about a topic in a place, with one chart."""

    domain: str
    topic: str
    place: str
    chart: str
    colour: str

    def question(self, rng: random.Random) -> str:
        if self.domain in FRENCH_DOMAINS:
            chart, colour = FRENCH[self.chart], FRENCH[self.colour]
            return rng.choice(
                (
                    f"Que montre le graphique {colour} en {chart} sur {self.topic} ({self.place}) ?",
                    f"Quelle page parle de {self.topic} : {self.place}, {chart}, {colour} ?",
                )
            )
        return rng.choice(
            (
                f"What does the {self.colour} {self.chart} chart say about {self.topic} in {self.place}?",
                f"How did {self.topic} change in {self.place} according to the {self.colour} {self.chart} chart?",
                f"Which page reports on {self.topic} in {self.place} with a {self.chart} chart in {self.colour}?",
            )
        )

    def caption(self) -> str:
        return f"Figure: {self.topic} in {self.place}, shown as a {self.colour} {self.chart} chart."


def some_page(domain: str, rng: random.Random) -> Page:
    return Page(domain, rng.choice(TOPICS[domain]), rng.choice(PLACES), rng.choice(CHARTS), rng.choice(CHART_COLOURS))


def distinct_pages(domain: str, n: int, rng: random.Random) -> list[Page]:
    """`n` different pages, at most two of which agree in topic and place."""
    pages: dict[Page, None] = {}
    used: dict[tuple[str, str], int] = {}
    while len(pages) < n:
        page = some_page(domain, rng)
        if used.get((page.topic, page.place), 0) < 2 and page not in pages:
            used[page.topic, page.place] = used.get((page.topic, page.place), 0) + 1
            pages[page] = None
    return list(pages)


def draw_page(page: Page, rng: random.Random) -> Image.Image:
    """Title in two rows, the chart, lines of filler."""
    image = Image.new("RGB", (96, 128), jittered((248, 248, 244), rng, 6))
    draw = ImageDraw.Draw(image)
    write(draw, (2, 1), page.topic, 18, (20, 20, 60))
    write(draw, (2, 26), page.place, 18, (20, 20, 60))
    _chart(draw, page, (8, 54, 88, 96), rng)
    for i in range(3):
        write(draw, (4, 98 + 10 * i), " ".join(rng.sample(FILLER, 4)), 8, (90, 90, 90))
    return image


def draw_figure(page: Page, rng: random.Random) -> Image.Image:
    """The chart alone, with the topic over it and the place under it."""
    image = Image.new("RGB", (96, 96), (252, 252, 252))
    draw = ImageDraw.Draw(image)
    write(draw, (2, 0), page.topic, 15, (20, 20, 20))
    _chart(draw, page, (8, 26, 88, 70), rng)
    write(draw, (2, 74), page.place, 15, (20, 20, 20))
    return noisy(image, rng, 6)


def _chart(draw: ImageDraw.ImageDraw, page: Page, box: tuple[int, int, int, int], rng: random.Random) -> None:
    x0, y0, x1, y1 = box
    ink = jittered(PALETTE[page.colour], rng, 20)
    heights = [rng.uniform(0.2, 1.0) for _ in range(5)]
    if page.chart == "pie":
        cx, r = (x0 + x1) // 2, (y1 - y0) // 2
        draw.ellipse((cx - r, y0, cx + r, y1), fill=ink, outline=(40, 40, 40))
        start = rng.randrange(360)
        draw.pieslice((cx - r, y0, cx + r, y1), start, start + rng.randint(60, 120), fill=(220, 220, 220))
        return
    draw.line((x0, y0, x0, y1, x1, y1), fill=(40, 40, 40), width=1)
    step = (x1 - x0) / len(heights)
    if page.chart == "bar":
        for i, height in enumerate(heights):
            draw.rectangle((x0 + i * step + 2, y1 - height * (y1 - y0), x0 + (i + 1) * step - 3, y1), fill=ink)
    else:
        points = [(x0 + (i + 0.5) * step, y1 - height * (y1 - y0)) for i, height in enumerate(heights)]
        draw.line(points, fill=ink, width=4)


GOOD = ("wonderful", "brilliant", "charming", "moving", "funny", "superb", "delightful", "clever")
BAD = ("boring", "awful", "clumsy", "tedious", "shallow", "dreadful", "stupid", "lifeless")
ASPECTS = ("story", "music", "acting", "film", "ending", "script", "pictures", "dialogue")
MEME_WORDS = ("monday", "coffee", "cat", "boss", "pizza", "exam", "gym", "wifi", "taxi", "beach", "party", "homework",
              "dentist", "weekend", "robot", "grandma")  # fmt: skip
MEME_STARTS = ("when", "nobody", "me and", "that", "my", "no more")


def some_review(positive: bool, rng: random.Random) -> list[str]:
    first, second = rng.sample(GOOD if positive else BAD, 2)
    one, two = rng.sample(ASPECTS, 2)
    return ["a " + first, one, "with", second, two]


def draw_review(lines: list[str], rng: random.Random) -> Image.Image:
    return sheet(lines, 112, (rng.randint(0, 3), rng.randint(0, 3)), (20, 20, 20), (252, 252, 252))


def some_meme(rng: random.Random) -> list[str]:
    return [rng.choice(MEME_STARTS), *rng.sample(MEME_WORDS, 3)]


def draw_meme(lines: list[str], rng: random.Random) -> Image.Image:
    """White rows of text on a coloured sheet."""
    paper = jittered(rng.choice(((40, 60, 120), (120, 40, 40), (40, 90, 50), (70, 70, 75))), rng)
    return sheet(lines, 96, (rng.randint(0, 3), rng.randint(0, 2)), (255, 255, 255), paper)


def sentence_lines(scene: Scene, language: str) -> list[str]:
    """The scene told with one word to a line, in the order colour, shape, relation, colour, shape, place."""
    words = languages()[language].words
    said = [scene.first.colour, scene.first.shape]
    if scene.second:
        said += [scene.relation, scene.second.colour, scene.second.shape]
    if scene.place:
        said.append(scene.place)
    return [words[word] for word in said]


def draw_sentence(scene: Scene, language: str, rng: random.Random, side: int = 112) -> Image.Image:
    shift = rng.randint(0, 3), rng.randint(0, 3)
    return sheet(sentence_lines(scene, language), side, shift, (20, 20, 20), (252, 252, 252)).convert("L")
