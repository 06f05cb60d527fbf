"""From a spec to a loaded and checked model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.loading.checking import checked
from pytest_mieb.models.loading.folders import processor_in
from pytest_mieb.models.loading.kinds import known
from pytest_mieb.models.loading.parsing import parse_spec
from pytest_mieb.models.request import Request
from pytest_mieb.models.spec import ModelSpec


def load_embedder(
    spec: str | ModelSpec,
    *,
    revision: str | None = None,
    device: str = "cpu",
    dtype: str | None = None,
    trust_remote_code: bool = False,
    processor: str | None = None,
    options: Mapping[str, str] | None = None,
    max_cost: float | None = None,
    memory: Path | None = None,
) -> Embedder:
    """Load the model that `spec` names.

    Args:
        spec: as after `--mieb-model`.
        revision: a branch, tag or commit, for a hub id; by default the one that the registry pins, else the newest.
        device: a torch device.
        dtype: float32, float16 or bfloat16, in which the model computes; by default the family's own, mostly float32.
        trust_remote_code: whether code that comes with a model may be run.
        processor: a folder or hub id whose tokenizer and image processor are taken.
        options: what the family takes beside, or a factory as keyword arguments; `--mieb-model-arg`.
        max_cost: in US dollars, for an API.
        memory: a folder where the hashes of large files are kept, so that they are read once for every change.

    Raises:
        ModelError: it cannot be loaded; the message says why and what to do.
    """
    spec = parse_spec(spec) if isinstance(spec, str) else spec
    kind = known()[spec.kind]
    folder = Path(spec.target) if kind.prefixed and Path(spec.target).is_dir() else None
    request = Request(
        spec=spec.text,
        folder=folder,
        name=spec.target if kind.prefixed and not folder else "",
        file=spec.file,
        revision=revision,
        device=device,
        dtype=dtype,
        processor=processor_in(processor),
        trust_remote_code=trust_remote_code,
        options=options or {},
        max_cost=max_cost,
        memory=memory,
    )
    embedder = kind.load(spec, request)
    return embedder if kind.metered else checked(spec.text, embedder)
