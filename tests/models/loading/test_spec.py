"""What the text after --mieb-model means."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mieb.models import ModelError, parse_spec
from pytest_mieb.models.loading.parsing import legal
from pytest_mieb.models.spec import ModelSpec


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with runs/exp7 and a file in it, which is where one works."""
    (tmp_path / "runs" / "exp7").mkdir(parents=True)
    for file in ("notes.txt", "epoch_10.pt", "epoch_9.pt"):
        (tmp_path / "runs" / file).write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("miniature", "miniature", "miniature"),
        ("miniature:damaged", "miniature", "miniature__damaged"),
        ("runs/exp7", "folder", "exp7"),
        ("runs/exp7/", "folder", "exp7"),
        ("./runs/exp7/../exp7", "folder", "exp7"),
        ("runs", "folder", "runs"),
        ("package.module:factory", "factory", "package.module__factory"),
        ("module:Factory_2", "factory", "module__Factory_2"),
        ("openai/clip-vit-base-patch32", "hub", "openai__clip-vit-base-patch32"),
        ("org/name_1.5", "hub", "org__name_1.5"),
        ("hf:runs/exp7", "folder", "exp7"),
        ("hf:org/name", "hub", "hf__org__name"),
        ("open_clip:ViT-B-32@runs/epoch_10.pt", "open_clip", "ViT-B-32__epoch_10.pt"),
        ("open_clip:ViT-B-32/openai", "open_clip", "open_clip__ViT-B-32__openai"),
        ("open_clip:runs/exp7", "open_clip", "open_clip__runs__exp7"),
        ("timm:vit_base_patch16_224.mae", "timm", "timm__vit_base_patch16_224.mae"),
        ("timm:resnet50@runs/epoch_9.pt", "timm", "resnet50__epoch_9.pt"),
        ("mteb:org/name", "mteb", "mteb__org__name"),
        ("voyage:voyage-multimodal-3", "voyage", "voyage__voyage-multimodal-3"),
        ("voyageai/voyage-multimodal-3", "voyage", "voyageai__voyage-multimodal-3"),
    ],
)
def test_what_a_text_means(text: str, kind: str, name: str) -> None:
    spec = parse_spec(text)
    assert (spec.kind, spec.name) == (kind, name)


def test_a_folder_goes_before_all_else(somewhere: Path) -> None:
    (somewhere / "openai" / "clip").mkdir(parents=True)
    assert parse_spec("openai/clip").kind == "folder"


@pytest.mark.parametrize(
    ("text", "target", "file"),
    [
        ("open_clip:ViT-B-32@runs/epoch_10.pt", "ViT-B-32", "runs/epoch_10.pt"),
        ("open_clip:ViT-B-32/openai", "ViT-B-32/openai", None),
        ("hf:runs/exp7", "runs/exp7", None),
        ("mteb:org/name", "org/name", None),
    ],
)
def test_what_follows_a_prefix(text: str, target: str, file: str | None) -> None:
    spec = parse_spec(text)
    assert (spec.target, spec.file) == (target, Path(file) if file else None)


@pytest.mark.parametrize(
    ("text", "has"),
    [("org/name", True), ("open_clip:org/name", True), ("runs/exp7", False), ("timm:resnet50@runs/epoch_9.pt", False)],
)
def test_what_has_revisions(text: str, has: bool) -> None:
    assert parse_spec(text).has_revisions is has


def test_the_home_folder_may_be_written_as_a_tilde(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(somewhere))
    exp7 = str(somewhere / "runs" / "exp7")
    assert parse_spec("~/runs/exp7") == ModelSpec(exp7, "folder", exp7)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("miniatur", " Did you mean miniature"),
        ("miniature:damage", " Did you mean miniature:damaged or miniature?"),
        ("runs/exp8", " Did you mean runs/exp7 "),  # not taken for a hub id: there is a folder runs
        ("nothing", ""),
        ("a/b/c", ""),
        ("./no/such", ""),
        ("not a:function!", ""),
    ],
)
def test_a_text_that_means_nothing_names_near_ones_and_the_legal_ones(text: str, hint: str) -> None:
    with pytest.raises(ModelError) as refusal:
        parse_spec(text)
    said = str(refusal.value)
    assert said.startswith(f"--mieb-model={text}: no such model.{hint}")
    assert said.endswith(f" Legal are {legal()}.")
    assert ("Did you mean" in said) is bool(hint)


def test_a_file_is_no_model() -> None:
    with pytest.raises(ModelError) as refusal:
        parse_spec("runs/notes.txt")
    assert str(refusal.value) == (
        "--mieb-model=runs/notes.txt: this is a file; give the folder that holds it, or name its architecture: "
        "open_clip:ARCHITECTURE@runs/notes.txt or timm:NAME@runs/notes.txt"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("open_clip:", "something is missing after ':'. Legal are "),
        ("open_clip:ViT-B-32@", "something is missing after '@'. Legal are "),
        (
            "open_clip:ViT-B-32@runs/epoch_11.pt",
            "no such file runs/epoch_11.pt; there are runs/epoch_10.pt, runs/epoch_9.pt",
        ),
        ("timm:resnet50@gone/epoch_11.pt", "no such file gone/epoch_11.pt"),
        ("hf:nothing", "no such folder, and no hub id; give hf:FOLDER or hf:ORG/NAME"),
    ],
)
def test_a_prefix_with_something_wrong_behind_it(text: str, sentence: str) -> None:
    with pytest.raises(ModelError) as refusal:
        parse_spec(text)
    assert str(refusal.value).startswith(f"--mieb-model={text}: {sentence}")
