"""`mteb:NAME`: mteb's own wrappers, from tiny folders and from wrappers that write down what they are told."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from pytest_mieb.models import Embedder, ModelError, Purpose, load_embedder
from pytest_mieb.models.families import reference
from pytest_mieb.suite.cards import load_tasks
from tests.data.mirrors import encoded
from tests.models import hub_cache
from tests.models.battery import (
    IMAGES,
    ODD_MODES,
    TEXTS,
    assert_same,
    assert_scattered,
    check_images,
    check_interleaved,
    check_texts,
)
from tests.models.builders import build_clip

mteb = pytest.importorskip("mteb")
CLIP = "openai/clip-vit-base-patch32"
CLIP_REVISION = "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"
QUERY, DOCUMENT = (Purpose("CIRRIT2IRetrieval", "retrieval", role) for role in ("query", "document"))


class Recorder:
    """A wrapper that embeds by sizes and lengths, and writes down all that it is given."""

    def __init__(self, name: str, revision: str | None, device: str | None = None, **keywords: Any) -> None:
        self.given = (name, revision, device, keywords)
        self.weights = torch.nn.Linear(2, 2).to(torch.bfloat16)
        self.calls: list[dict[str, Any]] = []
        self.mteb_model_meta: Any = None

    def encode(self, inputs: Any, **keywords: Any) -> Any:
        batches = list(inputs)
        columns = {name: [item for batch in batches for item in batch[name]] for name in batches[0]}
        self.calls.append(keywords | {"features": set(inputs.dataset.features), "columns": columns, "n": len(batches)})
        sizes = [image.size for image in columns.get("image", [])] or [(0, 0)] * len(columns.get("text", []))
        lengths = [len(text) for text in columns.get("text", [])] or [0] * len(sizes)
        return torch.tensor([[*size, length, 1] for size, length in zip(sizes, lengths, strict=True)]).bfloat16()


class Picky(Recorder):
    def encode(self, inputs: Any, **keywords: Any) -> Any:
        if {"text", "image"} <= set(inputs.dataset.features):
            raise NotImplementedError("one at a time")
        return super().encode(inputs, **keywords)


class WithoutDevice(Recorder):
    def __init__(self, name: str, revision: str | None, **keywords: Any) -> None:
        super().__init__(name, revision, **keywords)


def factory(name: str, **keywords: Any) -> Recorder:
    return Recorder(name, **keywords)


Register = Callable[..., str]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Let mteb know one more model, and give its spec."""
    from mteb.models.model_implementations import MODEL_REGISTRY

    def add(loader: Any = Recorder, **changes: Any) -> str:
        meta = MODEL_REGISTRY[CLIP].model_copy(
            update={"name": "tests/recorder", "revision": "r1", "loader": loader, **changes}
        )
        monkeypatch.setitem(MODEL_REGISTRY, "tests/recorder", meta)
        return "mteb:tests/recorder"

    return add


def calls_of(model: Embedder) -> list[dict[str, Any]]:
    """The calls so far, which are forgotten."""
    wrapper = model._wrapper  # type: ignore[attr-defined]
    found, wrapper.calls = wrapper.calls, []
    return list(found)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tiny CLIP, in a cache of the hub as the revision that mteb and the registry pin."""
    folder = build_clip(tmp_path_factory.mktemp("clip"))
    cache = tmp_path_factory.mktemp("hub")
    hub_cache.lay(cache, CLIP, folder, CLIP_REVISION)
    with pytest.MonkeyPatch.context() as patch:
        hub_cache.go_offline(patch, cache)
        yield folder


def test_mtebs_clip_is_our_clip(clip: Path) -> None:
    theirs, ours, ours_by_name = (load_embedder(spec) for spec in (f"mteb:{CLIP}", str(clip), CLIP))
    assert theirs.dimension == ours.dimension == 24
    assert theirs.modalities == ours.modalities | {"interleaved"}
    assert_scattered(theirs.embed_images(IMAGES))
    assert_same(theirs.embed_images(IMAGES), ours.embed_images(IMAGES))
    assert_same(theirs.embed_texts(TEXTS), ours.embed_texts(TEXTS))
    texts = TEXTS[: len(IMAGES)]
    assert_same(theirs.embed_interleaved(IMAGES, texts), ours.embed_interleaved(IMAGES, texts))
    np.testing.assert_array_equal(ours_by_name.embed_images(IMAGES), ours.embed_images(IMAGES))
    assert theirs.fingerprint != ours.fingerprint == ours_by_name.fingerprint


@pytest.mark.usefixtures("clip")
def test_it_stands_what_every_family_must() -> None:
    model = load_embedder(f"mteb:{CLIP}")
    check_images(model, most=10_000_000)  # the wrapper trims nothing
    check_texts(model)
    check_interleaved(model)


@pytest.mark.usefixtures("clip")
def test_the_description_names_wrapper_revision_and_versions() -> None:
    model = load_embedder(f"mteb:{CLIP}")
    assert model.description is not None
    assert model.description.line == (
        f"mteb ({CLIP}) revision {CLIP_REVISION[:12]}, dimension 24, float32; "
        f"wrapper CLIPModel of mteb {mteb.__version__}, told nothing"
    )
    assert model.description.warnings == ()
    assert type(model.description).from_json(json.loads(json.dumps(model.description.to_json()))) == model.description


def test_a_wrapper_gets_batches_as_mteb_gives_them(register: Register) -> None:
    model = load_embedder(register())
    calls_of(model)
    odd = [*ODD_MODES.values(), Image.open(io.BytesIO(encoded(IMAGES[0], "JPEG")))]
    model.embed_images(odd)
    model.embed_texts(["a", ""])
    model.embed_interleaved(odd[:2], ["a", "b"])
    images, texts, both = calls_of(model)
    assert [call["features"] for call in (images, texts, both)] == [{"image"}, {"text"}, {"image", "text"}]
    assert [call["n"] for call in (images, texts, both)] == [1, 1, 1]
    assert [call["batch_size"] for call in (images, texts, both)] == [6, 2, 2]
    assert images["show_progress_bar"] is False
    assert all(found is image for found, image in zip(images["columns"]["image"], odd, strict=True))
    assert texts["columns"]["text"] == ["a", ""]
    assert both["columns"]["text"] == ["a", "b"]


def test_what_a_wrapper_gives_becomes_float32(register: Register) -> None:
    model = load_embedder(register())
    found = model.embed_interleaved([Image.new("RGB", (3, 5))] * 2, ["a", "abc"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[3, 5, 1, 1], [3, 5, 3, 1]])
    assert (model.dimension, model.modalities) == (4, frozenset({"image", "text", "interleaved"}))
    assert model.description is not None
    assert "bfloat16" in model.description.line


@pytest.mark.parametrize(("loader", "device"), [(Recorder, "cpu"), (factory, "cpu"), (WithoutDevice, None)])
def test_the_device_is_given_to_what_takes_it(loader: Any, device: str | None, register: Register) -> None:
    model = load_embedder(register(loader), device="cpu")
    name, revision, given, keywords = model._wrapper.given  # type: ignore[attr-defined]
    assert (name, revision, given, keywords) == ("tests/recorder", "r1", device, {})


@pytest.mark.parametrize("told", [True, None])
def test_a_model_that_takes_instructions_is_told_task_and_side(told: bool | None, register: Register) -> None:
    model = load_embedder(register(use_instructions=told))
    calls_of(model)
    for purpose in (QUERY, DOCUMENT, Purpose("CIFAR10", "linear_probe")):
        model.prompted(purpose).embed_texts(["a"])
    calls = calls_of(model)
    assert [call["task_metadata"].name for call in calls] == ["CIRRIT2IRetrieval", "CIRRIT2IRetrieval", "CIFAR10"]
    assert [call["task_metadata"].type for call in calls] == ["Any2AnyRetrieval"] * 2 + ["ImageClassification"]
    assert [str(call["prompt_type"]) for call in calls] == ["query", "document", "None"]
    assert calls[0]["task_metadata"] == mteb.get_task("CIRRIT2IRetrieval").metadata
    prints = {model.prompted(each).fingerprint for each in (QUERY, DOCUMENT, Purpose("CIFAR10", "linear_probe"))}
    assert len(prints | {model.fingerprint}) == 4
    assert model.prompted(DOCUMENT).prompted(QUERY).fingerprint == model.prompted(QUERY).fingerprint
    assert model.prompted(QUERY).description == model.description


def test_a_model_without_instructions_has_one_fingerprint(register: Register) -> None:
    model = load_embedder(register(use_instructions=False))
    assert model.prompted(QUERY).fingerprint == model.prompted(DOCUMENT).fingerprint == model.fingerprint


def test_the_fingerprint_knows_versions_revision_and_dtype(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    class Halved(Recorder):
        def __init__(self, *args: Any, **keywords: Any) -> None:
            super().__init__(*args, **keywords)
            self.weights = torch.nn.Linear(2, 2).half()

    Halved.__name__ = "Recorder"
    prints = [
        load_embedder(register(**changes)).fingerprint for changes in ({}, {"revision": "r2"}, {"loader": Halved})
    ]
    monkeypatch.setattr(mteb, "__version__", "2.99.0")
    prints.append(load_embedder(register()).fingerprint)
    assert len(set(prints)) == 4
    monkeypatch.undo()


@pytest.mark.parametrize("instruction", ["Find what was eaten.", None])
def test_a_task_that_mteb_lacks_looks_like_one_of_its_protocol(instruction: str | None, register: Register) -> None:
    model = load_embedder(register(use_instructions=True))
    calls_of(model)
    query = model.prompted(Purpose("OurLunches", "retrieval", "query", instruction))
    query.embed_texts(["a"])
    model.prompted(Purpose("OurDishes", "zero_shot")).embed_texts(["a"])
    ours, dishes = (call["task_metadata"] for call in calls_of(model))
    assert (ours.name, ours.type, dishes.type) == ("OurLunches", "Any2AnyRetrieval", "ZeroShotClassification")
    assert ours.get_modalities(mteb.types.PromptType.query) == ["image", "text"]
    assert dishes.prompt == "Classify the given input into one of the candidate labels."
    assert ours.prompt == ({"query": instruction} if instruction else "Retrieve text based on user query.")
    assert query.fingerprint != model.prompted(Purpose("OurLunches", "retrieval", "query", "Other")).fingerprint

    class Instructed(mteb.models.abs_encoder.AbsEncoder):  # type: ignore[name-defined]
        encode = None

    told = Instructed.get_instruction(Instructed.__new__(Instructed), ours, mteb.types.PromptType.query)
    assert told == (instruction or "Retrieve text based on user query.")


def test_every_protocol_has_an_example_of_the_type_its_tasks_have() -> None:
    tasks = load_tasks().values()
    assert {task.protocol for task in tasks} == set(reference.EXAMPLES)
    for protocol, example in reference.EXAMPLES.items():
        types = Counter(mteb.get_task(task.name).metadata.type for task in tasks if task.protocol == protocol)
        assert mteb.get_task(example).metadata.type == types.most_common(1)[0][0], protocol


def test_a_wrapper_that_takes_one_modality_at_a_time_is_summed_and_said(register: Register) -> None:
    model = load_embedder(register(Picky))
    assert model.modalities == {"image", "text"}
    np.testing.assert_array_equal(model.embed_interleaved([Image.new("RGB", (3, 5))], ["ab"]), [[3, 5, 2, 2]])
    assert model.description is not None
    assert model.description.warnings == (
        "mteb's wrapper takes no image with a text (NotImplementedError: one at a time): an image and its text are "
        "summed",
    )


@pytest.mark.parametrize("modality", ["image", "text"])
def test_the_modalities_are_the_references(modality: str, register: Register) -> None:
    model = load_embedder(register(modalities=[modality]))
    assert model.modalities == {modality}
    assert {str(call["features"]) for call in calls_of(model)} == {str({modality})}


def test_a_model_behind_an_api_is_said_to_cost(register: Register) -> None:
    model = load_embedder(register(framework=["API"]))
    assert model.description is not None
    assert "--mieb-max-cost does not watch it" in model.description.warnings[0]


def test_a_model_behind_an_api_keeps_nothing_and_is_not_tried(register: Register) -> None:
    """Its name and revision "1" say neither which service answers nor what that runs by now."""
    paid, own = load_embedder(register(framework=["API"])), load_embedder(register())
    assert (paid.fingerprint, paid.metered) == (None, True)
    assert own.fingerprint and not own.metered


def broken(name: str, **keywords: Any) -> Any:
    raise RuntimeError("no such thing\nand more")


def lacking(name: str, **keywords: Any) -> Any:
    raise ImportError("Model lacks: qwen.\nYou can install it with `pip install mteb[qwen]`.")


class Flat(Recorder):
    def encode(self, inputs: Any, **keywords: Any) -> Any:
        return torch.ones(3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_type": ["cross-encoder"]}, "it is a cross-encoder model; only models that give one dense embedding"),
        ({"model_type": ["late-interaction"]}, "it is a late-interaction model"),
        ({"modalities": ["audio", "video"]}, "it embeds audio, video, no images and no texts"),
        ({"loader": None}, "mteb knows of it, but has no wrapper that loads it"),
        ({"loader": broken}, "mteb's wrapper cannot load it: RuntimeError: no such thing"),
        ({"loader": lacking}, "ImportError: Model lacks: qwen. You can install it with `pip install mteb[qwen]`."),
        ({"loader": Flat}, "it gave an array of shape (3,) for one input"),
    ],
)
def test_a_model_that_cannot_be_compared_or_loaded_is_refused(
    changes: dict[str, Any], sentence: str, register: Register
) -> None:
    spec = register(**changes)
    with pytest.raises(ModelError) as error:
        load_embedder(spec)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_model_is_refused_with_near_names() -> None:
    with pytest.raises(ModelError) as error:
        load_embedder("mteb:openai/clip-vit-base-patch23")
    assert f"mteb {mteb.__version__} knows no model openai/clip-vit-base-patch23. Did you mean openai/clip" in str(
        error.value
    )


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"dtype": "bfloat16"}, "--mieb-dtype has no meaning for mteb:tests/recorder: mteb's wrapper decides it"),
        ({"processor": "."}, "--mieb-processor has no meaning for mteb:tests/recorder"),
        ({"revision": "r7"}, "--mieb-revision=r7: Model revision r7 not found"),
        ({"options": {"mean": "0.5"}}, "this model takes no mean; legal are none"),
    ],
)
def test_options_without_a_meaning_are_refused(keywords: dict[str, Any], sentence: str, register: Register) -> None:
    spec = register()
    with pytest.raises(ModelError) as error:
        load_embedder(spec, **keywords)
    assert sentence in str(error.value)


def test_a_renamed_model_goes_by_its_old_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from mteb.models.model_implementations import MODEL_REGISTRY

    changed = MODEL_REGISTRY["mongodb/voyage-multimodal-3"].model_copy(update={"loader": Recorder})
    changed = changed.model_copy(update={"extra_requirements_groups": None})
    monkeypatch.setitem(MODEL_REGISTRY, "mongodb/voyage-multimodal-3", changed)
    model = load_embedder("mteb:voyageai/voyage-multimodal-3")
    assert model._wrapper.given[0] == "mongodb/voyage-multimodal-3"  # type: ignore[attr-defined]


CODE = """
from transformers import PretrainedConfig
print("the model's own code runs")
class TestConfig(PretrainedConfig):
    model_type = "of_its_own"
"""


def remote(name: str, **keywords: Any) -> Any:
    from transformers import AutoConfig

    AutoConfig.from_pretrained(remote.folder, trust_remote_code=True)  # type: ignore[attr-defined]
    return Recorder(name, **keywords)


def test_code_that_comes_with_a_model_runs_only_if_allowed(
    register: Register, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "remote"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "of_its_own", "auto_map": {"AutoConfig": "code.TestConfig"}}')
    (folder / "code.py").write_text(CODE)
    monkeypatch.setattr(remote, "folder", str(folder), raising=False)
    spec = register(remote)
    with pytest.raises(ModelError, match="comes with code of its own; read it, and allow it to run with --mieb-trust"):
        load_embedder(spec)
    assert "own code runs" not in capsys.readouterr().out
    load_embedder(spec, trust_remote_code=True)
    assert "own code runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("None", 'needs mteb: pip install "pytest-mieb[mteb]"'),
        (
            "types.SimpleNamespace(__version__='1.39.7')",
            'needs mteb 2, here is 1.39.7: pip install -U "pytest-mieb[mteb]"',
        ),
    ],
)
def test_without_mteb_the_command_that_installs_it_is_named(module: str, sentence: str) -> None:
    code = (
        f"import sys, types\nsys.modules['mteb'] = {module}\nfrom pytest_mieb.models import ModelError, load_embedder\n"
        "try:\n    load_embedder('mteb:a/b')\nexcept ModelError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr) == (f"--mieb-model=mteb:a/b {sentence}", "")


def test_importing_the_family_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest_mieb.models.families.reference, pytest_mieb.models.families.voyage\n"
        "sys.exit(sorted({'torch', 'mteb', 'transformers', 'voyageai', 'datasets'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr.strip() in ("", "[]")


def test_the_references_own_baseline_runs_from_end_to_end(capfd: pytest.CaptureFixture[str]) -> None:
    model = load_embedder("mteb:mteb/baseline-random-encoder")
    vectors: NDArray[np.float32] = model.prompted(QUERY).embed_interleaved(IMAGES, TEXTS[: len(IMAGES)])
    assert vectors.shape == (len(IMAGES), model.dimension)
