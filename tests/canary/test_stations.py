"""What moves the canary, planted station by station, and what must not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from pytest_mieb.canary import CanaryError, CanaryReport, Deviation, check, comparison, golden, stations
from pytest_mieb.canary.stations import Canary

Checked = Callable[[Canary], CanaryReport]
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def found(report: CanaryReport, station: str) -> Deviation:
    return next(each for each in report.stations if each.name == station).worst


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_this_environment_is_as_recorded() -> None:
    report = check()
    assert [station.name for station in report.stations] == [
        "decode",
        "preprocess",
        "tokenise",
        "image embedding",
        "text embedding",
    ]
    assert (report.moved, report.sentence) == ((), None)


# ---- what must not move it


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.usefixtures("threads")
def test_threads_do_not_move_it(count: int, canary: Canary, checked: Checked) -> None:
    torch.set_num_threads(count)
    assert checked(canary).moved == ()


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1]])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_batches_do_not_move_embeddings(size: int, order: list[int], pristine: Canary) -> None:
    values = golden.read()
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    images = np.concatenate([stations.embed_images(pristine, values.pixel_values[rows]) for rows in batches])
    texts = np.concatenate(
        [stations.embed_texts(pristine, values.input_ids[rows], values.attention_mask[rows]) for rows in batches]
    )
    for before, now in ((values.image_embeddings, images), (values.text_embeddings, texts)):
        assert not any(each.moved for each in comparison.embedded(before[order], now, comparison.ON_CPU))


def test_another_way_to_compute_attention_does_not_move_it(canary: Canary, checked: Checked) -> None:
    canary.model.set_attn_implementation("eager")
    report = checked(canary)
    assert report.moved == ()
    assert found(report, "image embedding").found > 0


def test_float64_does_not_move_it(canary: Canary, checked: Checked) -> None:
    canary.model.double()
    assert checked(canary).moved == ()


def test_a_last_level_rounded_otherwise_does_not_move_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    values = golden.read()
    rng = np.random.default_rng(0)
    noise = rng.integers(-1, 2, values.levels.shape)
    shaken = (values.levels + noise) / 255 - values.mean[:, None, None]
    pixels = tuple((shaken / values.std[:, None, None]).astype(np.float32))
    assert not any(each.moved for each in comparison.preprocessed(values, pixels))


def rounded_to(bits: int) -> Any:
    """A mode in which products take their factors with `bits` bits of mantissa, as TF32 (10) and bfloat16 (7) do."""
    from torch.overrides import TorchFunctionMode

    def rounded(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.dtype != torch.float32:
            return value
        dropped = 23 - bits
        whole = (value.contiguous().view(torch.int32) + (1 << (dropped - 1))) & ~((1 << dropped) - 1)
        return whole.view(torch.float32)

    class Rounding(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(function, "__name__", "") in ("linear", "conv2d", "matmul"):
                args = (*map(rounded, args[:2]), *args[2:])
            return function(*args, **(kwargs or {}))

    return Rounding()


@pytest.mark.parametrize(("bits", "on_cpu", "elsewhere"), [(10, True, False), (7, True, True)])
def test_coarser_products_move_a_cpu_and_only_those_below_tf32_a_gpu(
    bits: int, on_cpu: bool, elsewhere: bool, canary: Canary
) -> None:
    canary.model.set_attn_implementation("eager")
    values = golden.read()
    with rounded_to(bits):
        now = stations.observe(canary, values)
    embeddings = {"image embedding", "text embedding"}
    for cpu, moves in ((True, on_cpu), (False, elsewhere)):
        moved = {each.name for each in comparison.compare(values, now, on_cpu=cpu) if each.moved}
        assert moved == (embeddings if moves else set())


# ---- decode


def test_a_jpeg_decoder_that_rounds_otherwise_passes_and_one_that_differs_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = golden.read()
    for levels, moved in ((2, False), (3, True)):
        now = {
            name: np.where(pixels > 200, pixels - levels, pixels + levels).astype(np.uint8)
            if name.endswith(".jpg")
            else pixels
            for name, pixels in values.decoded.items()
        }
        assert any(each.moved for each in comparison.decoded(values.decoded, now)) is moved


def plant_decoder(monkeypatch: pytest.MonkeyPatch, change: Callable[[Image.Image], Image.Image]) -> None:
    own = datasets.Image.decode_example
    monkeypatch.setattr(datasets.Image, "decode_example", lambda feature, value: change(own(feature, value)))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        pytest.param(
            lambda image: image.point([min(level + 1, 255) for level in range(256)]) if image.mode == "L" else image,
            "grey.png",
            id="one level of a PNG",
        ),
        pytest.param(
            lambda image: (
                Image.alpha_composite(Image.new("RGBA", image.size, "white"), image) if image.mode == "RGBA" else image
            ),
            "seethrough.png",
            id="transparency laid on white",
        ),
        pytest.param(
            lambda image: ImageOps.mirror(image.transpose(Image.Transpose.ROTATE_90)) if image.width == 75 else image,
            "turned.jpg of shape 75x111x3 instead of 111x75x3",
            id="EXIF turned otherwise",
        ),
    ],
)
def test_another_decoder_moves_decode_alone(
    change: Callable[[Image.Image], Image.Image],
    what: str,
    canary: Canary,
    checked: Checked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant_decoder(monkeypatch, change)
    report = checked(canary)
    assert report.moved == ("decode",)
    assert found(report, "decode").what == what


# ---- preprocess


def shifted_crop(processor: Any) -> None:
    from torchvision.transforms.v2 import functional

    def crop(image: Any, size: Any, **_: Any) -> Any:
        top, left = (int((have - 64) / 2) for have in image.shape[-2:])
        down, right = (min(1, have - 64) for have in image.shape[-2:])
        return functional.crop(image, top + down, left + right, 64, 64)

    processor.center_crop = crop


def swapped_channels(processor: Any) -> None:
    own = processor._preprocess
    processor._preprocess = lambda images, **keywords: own([image.flip(0) for image in images], **keywords)


def without_antialias(processor: Any) -> None:
    own = processor.resize
    processor.resize = lambda *args, **keywords: own(*args, **keywords | {"antialias": False})


def setting(**values: Any) -> Callable[[Any], None]:
    def plant(processor: Any) -> None:
        for name, value in values.items():
            assert hasattr(processor, name)
            setattr(processor, name, value)

    return plant


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(setting(resample=0), id="nearest"),
        pytest.param(setting(resample=1), id="lanczos"),
        pytest.param(setting(resample=2), id="bilinear"),
        pytest.param(without_antialias, id="no antialiasing"),
        pytest.param(setting(image_mean=[0.5] * 3, image_std=[0.5] * 3), id="SigLIP's mean and std"),
        pytest.param(setting(image_mean=CLIP_MEAN), id="CLIP's mean, 0.6 levels away"),
        pytest.param(setting(image_std=CLIP_STD), id="CLIP's std"),
        pytest.param(setting(do_normalize=False), id="not normalised"),
        pytest.param(setting(rescale_factor=1 / 256), id="scaled by 256"),
        pytest.param(swapped_channels, id="swapped channels"),
        pytest.param(shifted_crop, id="crop off by one"),
        pytest.param(setting(size={"height": 63, "width": 64}), id="another size"),
    ],
)
def test_other_preprocessing_moves_preprocess_alone(
    plant: Callable[[Any], None], canary: Canary, checked: Checked
) -> None:
    plant(canary.image_processor)
    report = checked(canary)
    assert report.moved == ("preprocess",)
    assert report.sentence
    assert "the canary's preprocess" in report.sentence


def test_pillow_in_the_place_of_torchvision_moves_preprocess(canary: Canary, checked: Checked) -> None:
    from transformers import AutoImageProcessor

    from pytest_mieb.miniature import MODEL_DIR

    other = AutoImageProcessor.from_pretrained(MODEL_DIR, backend="pil")
    assert checked(canary._replace(image_processor=other)).moved == ("preprocess",)


# ---- tokenise


@pytest.mark.parametrize(
    ("plant", "what"),
    [
        pytest.param({"padding_side": "left"}, "token ids", id="padded on the left"),
        pytest.param({"truncation_side": "left"}, "token ids", id="cut on the left"),
        pytest.param({"model_max_length": 32}, "token ids", id="cut earlier"),
        pytest.param({"pad_token": "<|end|>"}, "token ids", id="padded with another token"),
    ],
)
def test_a_tokenizer_that_pads_or_cuts_otherwise_moves_tokenise_alone(
    plant: dict[str, Any], what: str, canary: Canary, checked: Checked
) -> None:
    for name, value in plant.items():
        setattr(canary.tokenizer, name, value)
    report = checked(canary)
    assert report.moved == ("tokenise",)
    assert found(report, "tokenise").what == what


def test_a_tokenizer_that_composes_no_marks_moves_tokenise(canary: Canary, checked: Checked) -> None:
    from tokenizers import normalizers

    canary.tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    assert checked(canary).moved == ("tokenise",)


# ---- embeddings


def damage_layer(model: Any) -> None:
    with torch.no_grad():
        model.vision_model.encoder.layers[1].mlp.fc1.weight[:4] = 0


def add_noise(model: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1 + 1e-3 * torch.randn(weight.shape, generator=generator))


def approximate_gelu(model: Any) -> None:
    for tower in (model.vision_model, model.text_model):
        for layer in tower.encoder.layers:
            layer.mlp.activation_fn = torch.nn.GELU(approximate="tanh")


def spoil(model: Any) -> None:
    with torch.no_grad():
        model.text_projection.weight[0, 0] = torch.nan


@pytest.mark.parametrize(
    ("plant", "moved"),
    [
        pytest.param(lambda model: model.half(), ("image embedding", "text embedding"), id="float16"),
        pytest.param(lambda model: model.bfloat16(), ("image embedding", "text embedding"), id="bfloat16"),
        pytest.param(add_noise, ("image embedding", "text embedding"), id="weight noise"),
        pytest.param(approximate_gelu, ("image embedding", "text embedding"), id="approximate GELU"),
        pytest.param(damage_layer, ("image embedding",), id="damaged layer"),
        pytest.param(spoil, ("text embedding",), id="not a number"),
    ],
)
def test_another_computation_moves_embeddings(
    plant: Callable[[Any], None], moved: tuple[str, ...], canary: Canary, checked: Checked
) -> None:
    plant(canary.model)
    assert checked(canary).moved == moved


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_seen_on_any_device(dtype: str, canary: Canary) -> None:
    values = golden.read()
    with torch.autocast("cpu", dtype=getattr(torch, dtype)):
        now = stations.observe(canary, values)
    moved = [each.name for each in comparison.compare(values, now, on_cpu=False) if each.moved]
    assert moved == ["image embedding", "text embedding"]


# ---- what cannot run


def test_a_station_that_fails_is_an_error_that_names_it(canary: Canary, checked: Checked) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no kernel image is available\nfor this device")

    canary.model.get_image_features = fail
    with pytest.raises(CanaryError, match=r"the canary's image embedding fails here \(RuntimeError: no kernel image"):
        checked(canary)


def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(CanaryError, match="the canary's loading fails here"):
        check("cuda:7" if torch.cuda.is_available() else "cuda")
