"""Pictures and texts a second, stage by stage and through the whole pipeline: `python -m benchmarks.throughput`.

The pictures are JPEGs of 500x400, the size that most of MIEB's photographs have, and the model is a CLIP with random
weights: of ViT-B/32's size, or with `--free` one that costs nothing, so that what is left is reading, decoding and
preprocessing. `bare` are processes that do nothing but decode and preprocess, one for each processor, which is as fast
as the machine gets; `forward` is the model alone, on batches that lie ready. The projection takes the rates of the
pipeline for the items of all tasks, as their cards count them; scores and downloads come on top.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

import numpy as np

BATCH = 64
WIDTH, HEIGHT = 500, 400
LETTERS = tuple("abcdefghijklmnop")
# Distinct pictures and texts, as the datasets' own statistics count them.
SIZES = {"MIEB-lite": (1_304_940, 2_897_380), "MIEB": (9_971_283, 4_968_764)}
_BARE: dict[str, Any] = {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default=None)
    parser.add_argument("--batch-size", type=int, default=BATCH)
    parser.add_argument("--free", action="store_true", help="a model that costs nothing")
    parser.add_argument("--without-bare", action="store_true")
    parser.add_argument("--by-processes", action="store_true", help="prepare pictures in processes")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=2, help="rounds; the best of each is shown")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        measure(options, Path(folder))


def measure(options: argparse.Namespace, folder: Path) -> None:
    import torch

    from pytest_mieb.data.inputs import Inputs

    files = draw(folder / "pictures.parquet", options.pictures, options.processes)
    texts = sentences(options.texts)
    model = build(folder / "model")
    embedder = loaded(model, options)
    if not options.without_bare:
        show("bare", options.pictures, best(options, lambda: bare(files, model, options.processes)), "pictures")
    seconds = best(options, lambda: Inputs(images=images(files)).keys)
    show("keys", options.pictures, seconds, "pictures")
    if not options.free:
        prepared = embedder.prepare_images(list(images(files)[: options.batch_size]))
        count = max(1, options.pictures // options.batch_size)
        seconds = best(options, lambda: [embedder.embed_prepared(prepared) for _ in range(count)])
        show("forward", count * options.batch_size, seconds, "pictures")
    rates = {"image": options.pictures / best(options, lambda: embed(embedder, Inputs(images=images(files)), options))}
    show("pipeline", options.pictures, options.pictures / rates["image"], "pictures")
    if not options.free:
        rates["text"] = options.texts / best(options, lambda: embed(embedder, Inputs(texts=texts), options))
        show("pipeline", options.texts, options.texts / rates["text"], "texts")
        project(rates)
    if torch.cuda.is_available():
        print(f"{torch.cuda.get_device_name()}, {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB at most")


def best(options: argparse.Namespace, work: Callable[[], Any]) -> float:
    """The shortest time of several rounds, in seconds; none of what one computes is used by the next."""
    times = []
    for _ in range(options.repeats):
        started = perf_counter()
        found = work()
        times.append(found if isinstance(found, float) else perf_counter() - started)
    return min(times)


def show(name: str, count: int, seconds: float, what: str) -> None:
    print(f"{name:10} {count / seconds:10,.0f} {what} a second", flush=True)


def draw(path: Path, count: int, processes: int) -> Path:
    """A parquet file of JPEGs: smooth shapes with grain, each another one, about 50 kB each."""
    import datasets

    datasets.disable_progress_bars()
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        files = list(pool.map(_jpeg, range(count), chunksize=BATCH))
    features = datasets.Features({"image": datasets.Image()})
    rows = datasets.Dataset.from_dict({"image": [{"bytes": file, "path": None} for file in files]}, features)
    rows.to_parquet(path, batch_size=100)
    return path


def _jpeg(number: int) -> bytes:
    from PIL import Image

    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 256, (20, 25, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=np.int16)
    grain = random.integers(-12, 13, (HEIGHT, WIDTH, 1), dtype=np.int16)
    buffer = BytesIO()
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


def sentences(count: int) -> list[str]:
    """Texts of 10 to 20 tokens, as captions have; the tokenizer takes letter by letter."""
    random = np.random.default_rng(0)
    lengths = random.integers(3, 14, count)
    return [" ".join([*random.choice(LETTERS, length), str(number)]) for number, length in enumerate(lengths)]


def build(folder: Path) -> Path:
    """A CLIP of ViT-B/32's size as `save_pretrained` writes it, with random weights and a small vocabulary."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    from tests.models.builders import clip_tokenizer, saved

    tokenizer = clip_tokenizer()
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    config = CLIPConfig(text_config=ids | {"vocab_size": 49408}, vision_config={"patch_size": 32}, projection_dim=512)
    return saved(CLIPModel, config, CLIPProcessor(CLIPImageProcessor(), tokenizer), folder, 0)


def loaded(model: Path, options: argparse.Namespace) -> Any:
    from pytest_mieb.models import load_embedder

    embedder: Any = load_embedder(str(model), device=options.device, dtype=options.dtype)
    if options.free:
        embedder.see = lambda pixel_values: pixel_values[:, :, ::32, ::32].flatten(1)
    return embedder


def images(file: Path) -> Any:
    import datasets

    from pytest_mieb.data.columns import ParquetColumns, Part
    from pytest_mieb.data.inputs import Images

    columns = ParquetColumns([file], datasets.Features({"image": datasets.Image()}))
    return Images([Part(columns, np.arange(len(columns)))], "image")


def embed(embedder: Any, inputs: Any, options: argparse.Namespace) -> float:
    """The time that an empty store takes to be filled."""
    from pytest_mieb.embedding import Pipeline, Store
    from pytest_mieb.embedding.executors import InProcess
    from pytest_mieb.embedding.reading import Reader

    inputs.keys  # noqa: B018 - measured by itself
    processes = None
    if options.by_processes and inputs.modality == "image":
        processes = ready(options.processes, embedder)
    reader = Reader(options.processes, processes, many=1)
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        pipeline = Pipeline(embedder, store, executor=InProcess(options.batch_size, reader))
        started = perf_counter()
        pipeline.embed(inputs)
        seconds = perf_counter() - started
        pipeline.close()
        return seconds


def ready(count: int, embedder: Any) -> Any:
    from pytest_mieb.embedding.processes import Processes

    processes = Processes(count)
    processes.start(embedder)
    while not processes.ready_for(embedder):
        sleep(0.1)
    return processes


def bare(file: Path, model: Path, processes: int) -> float:
    """The time in which as many processes decode and preprocess all pictures, from when all have started."""
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start, (file, model)) as pool:
        list(pool.map(_ready, range(4 * processes)))
        count = len(images(file))
        chunks = [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
        started = perf_counter()
        assert sum(pool.map(_prepared, chunks)) == count
        return perf_counter() - started


def _start(file: Path, model: Path) -> None:
    import torch
    from transformers import CLIPImageProcessor

    torch.set_num_threads(1)
    _BARE["images"], _BARE["processor"] = images(file), CLIPImageProcessor.from_pretrained(model)


def _ready(_: int) -> int:
    return _prepared(range(2))


def _prepared(rows: Sequence[int]) -> int:
    from PIL import Image

    images = _BARE["images"]
    files = images._splits[0].pictures("image", np.asarray(rows))
    pictures = [Image.open(BytesIO(each["bytes"])) for each in files]
    return len(_BARE["processor"](pictures, return_tensors="pt")["pixel_values"])


def project(rates: dict[str, float]) -> None:
    """The time that embedding takes, with all pictures and texts new to the store."""
    for name, (pictures, texts) in SIZES.items():
        minutes = (pictures / rates["image"] + texts / rates["text"]) / 60
        print(f"{name}: {pictures:,} pictures and {texts:,} texts take {minutes:,.0f} minutes")


if __name__ == "__main__":
    main()
