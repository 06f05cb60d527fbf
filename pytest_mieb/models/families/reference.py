"""`mteb:NAME`: any model that the installed mteb knows, run by its own wrapper.

The way to a model that no family here loads, and to a second opinion on one that is loaded.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb import __version__
from pytest_mieb.data.rgb import ImageMode
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder, Purpose, as_array
from pytest_mieb.models.errors import ModelError, did_you_mean, first_line
from pytest_mieb.models.files.hashing import fingerprint
from pytest_mieb.models.kind import ModelKind
from pytest_mieb.models.request import Request

if TYPE_CHECKING:
    from PIL.Image import Image

# One task of mteb for every protocol: what it says of its type and its prompt stands for tasks that mteb lacks.
EXAMPLES: Mapping[str, str] = {
    "linear_probe": "CIFAR10",
    "multilabel_linear_probe": "VOC2007",
    "clustering": "CIFAR10Clustering",
    "zero_shot": "CIFAR10ZeroShot",
    "pair_classification": "Winoground",
    "sts": "STS12VisualSTS",
    "retrieval": "Flickr30kT2IRetrieval",
    "multiple_choice": "BLINKIT2IMultiChoice",
}


class ReferenceEmbedder(Embedder):
    """A wrapper of mteb, as it embeds for one task and one side of it.

    Args:
        wrapper: what `mteb.get_model` returns.
        modalities: what it embeds, without `interleaved`, which is found out.
        told: whether it may embed otherwise for another task or side.
        resolved: what else an embedding depends on, as far as mteb tells.
        warnings: what a reader of the scores must know.
    """

    def __init__(
        self,
        wrapper: Any,
        modalities: frozenset[str],
        told: bool,
        resolved: Mapping[str, Any],
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._wrapper = wrapper
        self._modalities = modalities
        self._told = told
        self._resolved = resolved
        self._warnings = warnings
        self._tell(None)
        self._dimension, self._refusal = self._probe()

    def _tell(self, purpose: Purpose | None) -> None:
        self._purpose = purpose
        self._metadata = _metadata(purpose or Purpose("Probe", "retrieval"))

    @property
    def modalities(self) -> frozenset[str]:
        native = {"interleaved"} if {"image", "text"} <= self._modalities and not self._refusal else set()
        return self._modalities | native

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def fingerprint(self) -> str | None:
        """None behind an API: the name says neither which service answers nor what it runs by now."""
        if self.metered:
            return None
        own = fingerprint([], self._resolved)
        if self._purpose is None or not self._told:
            return own
        return blake2b(f"{own}\n{self._purpose}".encode(), digest_size=16).hexdigest()

    @property
    def metered(self) -> bool:
        return bool(self._resolved["api"])

    @property
    def image_mode(self) -> ImageMode:
        return "any"

    @property
    def description(self) -> Description:
        known = self._resolved
        steps = {
            "wrapper": f"{known['wrapper']} of mteb {known['mteb']}",
            "told": "the task and its side" if self._told else "nothing",
        }
        version = f"revision {known['revision'][:12]}" if known["revision"] else "without revision"
        summed = (f"{self._refusal}: an image and its text are summed",) if self._refusal else ()
        return Description(
            "mteb", known["name"], version, self._dimension, known["dtype"], steps, (*self._warnings, *summed)
        )

    def prompted(self, purpose: Purpose) -> Embedder:
        view = copy.copy(self)
        view._tell(purpose)
        return view

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return self._encode({"image": list(images)})

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode({"text": list(texts)})

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        if self._refusal:
            return super().embed_interleaved(images, texts)
        return self._encode({"image": list(images), "text": list(texts)})

    def _encode(self, columns: Mapping[str, list[Any]]) -> NDArray[np.float32]:
        """What the wrapper makes of one batch, given as mteb's own tasks give theirs."""
        from mteb.types import PromptType
        from torch import no_grad

        role = self._purpose.role if self._purpose else None
        with warnings.catch_warnings(), no_grad():
            warnings.simplefilter("ignore")
            return as_array(
                self._wrapper.encode(
                    _batches(columns),
                    task_metadata=self._metadata,
                    hf_split="test",
                    hf_subset="default",
                    prompt_type=PromptType(role) if role else None,
                    batch_size=len(next(iter(columns.values()))),
                    show_progress_bar=False,
                )
            )

    def _probe(self) -> tuple[int, str]:
        """The dimension, and what the wrapper says where it does not take an image together with a text."""
        from PIL import Image

        sample: dict[str, list[Any]] = {"image": [Image.new("RGB", (64, 64), "grey")], "text": ["a photo"]}
        alone = {name: column for name, column in sample.items() if name in self._modalities}
        shape = self._encode(dict([next(iter(alone.items()))])).shape
        if len(shape) != 2:
            raise ModelError(f"mteb:{self._resolved['name']}: it gave an array of shape {shape} for one input")
        if len(alone) == 2:
            try:
                self._encode(alone)
            except Exception as error:
                return shape[
                    1
                ], f"mteb's wrapper takes no image with a text ({type(error).__name__}: {first_line(error)})"
        return shape[1], ""


def load(request: Request) -> Embedder:
    """Load a model by mteb's wrapper. Raises ModelError."""
    request.only(())
    if request.dtype or request.processor:
        flag = "dtype" if request.dtype else "processor"
        raise ModelError(f"--mieb-{flag} has no meaning for {request.spec}: mteb's wrapper decides it; leave it out")
    meta = _meta(request)
    modalities = frozenset(meta.modalities) & {"image", "text"}
    with _refusing(request), _trusting(request):
        wrapper = meta.load_model(**_device(meta.loader, request.device))
        paid = ("it runs behind an API, which may charge for every item: --mieb-max-cost does not watch it",)
        return ReferenceEmbedder(
            wrapper,
            modalities,
            meta.use_instructions is not False,
            _resolved(meta, wrapper, request.device),
            paid if "API" in meta.framework else (),
        )


def _meta(request: Request) -> Any:
    """What mteb knows of the model.

    Raises:
        ModelError: mteb is not there, does not know it, or it gives no embeddings to compare.
    """
    try:
        import mteb
    except ImportError as error:
        raise ModelError(f'--mieb-model={request.spec} needs mteb: pip install "pytest-mieb[mteb]"') from error
    if int(mteb.__version__.partition(".")[0]) < 2:
        raise ModelError(
            f'--mieb-model={request.spec} needs mteb 2, here is {mteb.__version__}: pip install -U "pytest-mieb[mteb]"'
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models that were renamed
        try:
            meta = mteb.get_model_meta(request.name, request.revision)
        except KeyError as error:
            hint = did_you_mean(request.name, [str(each.name) for each in mteb.get_model_metas()])
            raise ModelError(
                f"--mieb-model={request.spec}: mteb {mteb.__version__} knows no model {request.name}.{hint}"
            ) from error
        except ValueError as error:
            raise ModelError(f"--mieb-revision={request.revision}: {first_line(error)}") from error
    if "dense" not in meta.model_type:
        raise ModelError(
            f"--mieb-model={request.spec}: it is a {' and '.join(meta.model_type)} model; only models that give one "
            "dense embedding an input can be compared"
        )
    if not {"image", "text"} & set(meta.modalities):
        raise ModelError(f"--mieb-model={request.spec}: it embeds {', '.join(meta.modalities)}, no images and no texts")
    if meta.loader is None:
        raise ModelError(f"--mieb-model={request.spec}: mteb knows of it, but has no wrapper that loads it")
    return meta


def _device(loader: Any, device: str) -> dict[str, str]:
    """The device as a keyword, where the wrapper takes it; a function passes it on."""
    takes = not inspect.isclass(loader) or "device" in inspect.signature(loader).parameters
    return {"device": device} if takes else {}


def _resolved(meta: Any, wrapper: Any, device: str) -> dict[str, Any]:
    import mteb
    import torch
    import transformers

    modules = [each for each in (wrapper, *vars(wrapper).values()) if isinstance(each, torch.nn.Module)]
    weight = next((weight for module in modules for weight in module.parameters()), None)
    return {
        "name": meta.name,
        "revision": meta.revision or "",
        "api": "API" in meta.framework,
        "wrapper": type(wrapper).__name__,
        "dtype": "unknown dtype" if weight is None else str(weight.dtype).removeprefix("torch."),
        "device": torch.device(device).type if weight is None else weight.device.type,
        "mteb": mteb.__version__,
        "versions": [__version__, torch.__version__, transformers.__version__],
    }


def _metadata(purpose: Purpose) -> Any:
    """mteb's own metadata of the task; for a task that it lacks, those of one that is measured in the same way."""
    import mteb

    try:
        return mteb.get_task(purpose.task).metadata
    except KeyError:
        example = mteb.get_task(EXAMPLES.get(purpose.protocol, EXAMPLES["retrieval"]))
    changed = {
        "name": purpose.task,
        "prompt": {"query": purpose.instruction} if purpose.instruction else example.abstask_prompt,
        "category": None,
        "modalities": ["image", "text"],
    }
    return example.metadata.model_copy(update=changed)


class _Rows:
    """Rows of named columns, as they are given: a dataset would encode pictures once more, a JPEG with loss.

    Wrappers tell modalities by the features.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        from datasets import Features, Image, Value

        self.features = Features({name: Image() if name == "image" else Value("string") for name in columns})
        self._columns = columns

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {name: column[row] for name, column in self._columns.items()}


def _batches(columns: Mapping[str, list[Any]]) -> Any:
    """One batch in a loader."""
    from torch.utils.data import DataLoader

    def collate(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
        return {name: [row[name] for row in rows] for name in columns}

    rows: Any = _Rows(columns)
    return DataLoader(rows, batch_size=len(rows), collate_fn=collate)


@contextmanager
def _refusing(request: Request) -> Iterator[None]:
    """Turn whatever a wrapper raises while it loads into one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ModelError:
        raise
    except Exception as error:
        said = " ".join(str(error).split()) if isinstance(error, ImportError) else first_line(error)
        raise ModelError(
            f"--mieb-model={request.spec}: mteb's wrapper cannot load it: {type(error).__name__}: {said}"
        ) from error


@contextmanager
def _trusting(request: Request) -> Iterator[None]:
    """Let no code run that comes with a model unless the user said so: many wrappers allow it by themselves."""
    from transformers import dynamic_module_utils

    def refuse(*args: Any, **keywords: Any) -> Any:
        raise ModelError(
            f"--mieb-model={request.spec}: it comes with code of its own; read it, and allow it to run with "
            "--mieb-trust-remote-code"
        )

    run = dynamic_module_utils.get_class_in_module
    if not request.trust_remote_code:
        dynamic_module_utils.get_class_in_module = refuse
    try:
        yield
    finally:
        dynamic_module_utils.get_class_in_module = run


KIND = ModelKind(
    name="mteb",
    load=lambda spec, request: load(request),
    such_as="mteb:NAME",
    options=frozenset({"dtype", "calibrate"}),
    has_revisions=True,
)
