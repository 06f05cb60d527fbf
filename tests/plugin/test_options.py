"""Every option: what is legal, what is refused and with which words, and who wins where two places speak."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.plugin.running import FACTORIES, assert_refused, header

MODEL = "--mieb-model=miniature"
MEASURE = (MODEL, "--mieb-baseline=none")
COLLECT = (*MEASURE, "--collect-only", "-k", "CIFAR10")
CARD = """\
name: Own
category: clustering
modalities: i2c
protocol: clustering
metric: nmi
dataset: {path: own/data, revision: main, layout: labelled, split: test, image: image, label: label}
languages: [eng-Latn]
"""
BASELINE = "model: {model}\ndata: {data}\ntasks: {{CIFAR10: {{score: 0.5, tolerance: {tolerance}}}}}\n"


@pytest.fixture(autouse=True)
def factories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FACTORIES)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


REFUSED = {
    "near names of a model": (
        ["--mieb-model=minature"],
        ["--mieb-model=minature: no such model. Did you mean miniature", "package.module:factory", "a hub id"],
    ),
    "near names of a miniature": (
        ["--mieb-model=miniature:damagd"],
        ["--mieb-model=miniature:damagd: no such model. Did you mean miniature:damaged"],
    ),
    "a file as a model": (["--mieb-model=weights.pt"], ["weights.pt: this is a file; give the folder that holds it"]),
    "no model": (["--mieb-model="], ["--mieb-model"]),
    "a factory in no module": (
        ["--mieb-model=toy_models:sound", "--mieb-baseline=none"],
        ["the module toy_models cannot be imported", "PYTHONPATH"],
    ),
    "near names of a factory": (
        ["--mieb-model=toymodels:vision", "--mieb-baseline=none"],
        ["toymodels has no function vision; it has vision_only"],
    ),
    "a factory that returns something else": (
        ["--mieb-model=toymodels:nothing", "--mieb-baseline=none"],
        ["nothing() returns lacks modalities", "return a pytest_mieb.FunctionEmbedder"],
    ),
    "a factory that raises": (
        ["--mieb-model=toymodels:raises", "--mieb-baseline=none"],
        ["toymodels:raises", "RuntimeError", "weights of step 40000 are truncated"],
    ),
    "a factory whose model fails on a picture": (
        ["--mieb-model=toymodels:breaks", "--mieb-baseline=none"],
        ["toymodels:breaks: it was loaded, but embeds nothing: IndexError: no such layer"],
    ),
    "a factory whose images and texts do not meet": (
        ["--mieb-model=toymodels:lopsided", "--mieb-baseline=none"],
        ["toymodels:lopsided: its images have 48 dimensions and its texts 64, so they cannot be compared"],
    ),
    "a file of weights that is not there": (
        ["--mieb-model=open_clip:ViT-B-32@epoch_9.pt", "--mieb-baseline=none"],
        ["open_clip:ViT-B-32@epoch_9.pt: no such file epoch_9.pt; there are weights.pt"],
    ),
    "a model argument without a value": (
        [*MEASURE, "--mieb-model-arg=mean"],
        ["--mieb-model-arg=mean: give KEY=VALUE, such as mean=0.5,0.5,0.5"],
    ),
    "a model argument that the model does not know": (
        [*MEASURE, "--mieb-model-arg=maen=0.5"],
        ["--mieb-model-arg=maen=...: this model takes no maen (did you mean mean?); legal are"],
    ),
    "a model argument of another kind": (
        [*MEASURE, "--mieb-model-arg=std=wide"],
        ["--mieb-model-arg=std=wide: give one number or three, such as std=0.5,0.5,0.5"],
    ),
    "a processor that is nowhere": (
        ["--mieb-model=models/clip", "--mieb-baseline=none", "--mieb-processor=gone"],
        ["--mieb-processor=gone: no such folder, and no hub id"],
    ),
    "a processor for what has its own": (
        ["--mieb-model=toymodels:sound", "--mieb-baseline=none", "--mieb-processor=models/clip"],
        ["--mieb-processor does not go with toymodels:sound: it goes with a folder or a hub id"],
    ),
    "a limit of costs without an API": (
        [*MEASURE, "--mieb-max-cost=5"],
        ["--mieb-max-cost does not go with miniature: it goes with a model behind an API"],
    ),
    "a limit of costs that is none": (
        ["--mieb-model=voyage:voyage-multimodal-3", "--mieb-baseline=none", "--mieb-max-cost=much"],
        ["--mieb-max-cost=much: give US dollars as a number above 0"],
    ),
    "a revision of what has none": (
        [*MEASURE, "--mieb-revision=main"],
        ["--mieb-revision=main: miniature has no revisions; it goes with a hub id only"],
    ),
    "data that is nowhere": (
        [*MEASURE, "--mieb-data=miniatur"],
        ["--mieb-data=miniatur: legal are hub, miniature, or an existing folder"],
    ),
    "sizes of another name": ([*MEASURE, "--mieb-sizes=part"], ["--mieb-sizes=part: legal are expected, any"]),
    "cards in no folder": ([*MEASURE, "--mieb-tasks=card"], ["--mieb-tasks=card: no such folder; give one that holds"]),
    "a folder without cards": ([*MEASURE, "--mieb-tasks=empty"], ["no task card (*.yaml) in this folder"]),
    "a card that cannot be used": (
        [*MEASURE, "--mieb-tasks=bad-cards"],
        ["Own.yaml: protocol: 'guess' is not legal; use one of: linear_probe"],
    ),
    "a device of another name": (
        [*MEASURE, "--mieb-device=gpu"],
        ["--mieb-device=gpu: legal are auto, cpu, cuda, cuda:N, mps, or several as cuda:0,cuda:1"],
    ),
    "a device of no number": ([*MEASURE, "--mieb-device=cuda:one"], ["--mieb-device=cuda:one: legal are auto, cpu"]),
    "a device that is not there": (
        [*MEASURE, "--mieb-device=cuda:99"],
        ["--mieb-device=cuda:99: torch does not see it; on this machine there are auto, ", "cpu"],
    ),
    "a dtype of another name": (
        [*MEASURE, "--mieb-dtype=fp16"],
        ["--mieb-dtype=fp16: legal are float32, float16, bfloat16"],
    ),
    "progress of another form": (
        [*MEASURE, "--mieb-progress=bar"],
        ["--mieb-progress=bar: legal are auto, live, lines, none"],
    ),
    "live progress without a terminal": (
        [*MEASURE, "--mieb-progress=live"],
        ["--mieb-progress=live cannot be shown: pytest does not write to a terminal that can be drawn on"],
    ),
    "a batch of none": (
        [*MEASURE, "--mieb-batch-size=0"],
        ["--mieb-batch-size=0: legal are whole numbers from 1 to 65536"],
    ),
    "a batch of a word": ([*MEASURE, "--mieb-batch-size=many"], ["--mieb-batch-size=many: legal are whole numbers"]),
    "no baseline yet": (
        ["--mieb-model=toymodels:sound"],
        ["no baseline 'toymodels__sound'", "adding --mieb-update", "--mieb-baseline=none"],
    ),
    "near names of a baseline": (
        [MODEL, "--mieb-baseline=releese-7"],
        ["no baseline 'releese-7'", "Did you mean release-7?", "--mieb-update"],
    ),
    "a baseline file that is nowhere": (
        [MODEL, "--mieb-baseline=old/release.yaml"],
        ["no baseline file old/release.yaml; record it with --mieb-update"],
    ),
    "a baseline of other data": (
        ["--mieb-model=toymodels:sound", "--mieb-baseline=of-miniature", "--mieb-data=hub"],
        ["of-miniature.yaml was recorded on miniature data, while this run reads hub data", "choose another"],
    ),
    "a baseline with a word for a number": (
        [MODEL, "--mieb-baseline=broken"],
        ["broken.yaml: tasks.CIFAR10.tolerance: 'low' is not a number from 0 to 1; half a point is 0.005"],
    ),
    "a dtype for a factory": (
        ["--mieb-model=toymodels:sound", "--mieb-baseline=none", "--mieb-dtype=float16"],
        ["--mieb-dtype does not go with toymodels:sound: the model is computed elsewhere, or by code of yours"],
    ),
    "an update of a baseline of other data": (
        ["--mieb-model=toymodels:sound", "--mieb-baseline=of-miniature", "--mieb-update"],
        ["of-miniature.yaml was recorded on miniature data, while this run reads hub data"],
    ),
    "an update of a baseline that cannot be read": (
        [MODEL, "--mieb-baseline=broken", "--mieb-update"],
        ["broken.yaml: tasks.CIFAR10.tolerance"],
    ),
    "a baseline whose outcomes would lie among the results": (
        [MODEL, "--mieb-baseline=mieb-results/miniature.yaml", "--mieb-update"],
        ["miniature is the folder for the results of every run; give another --mieb-baseline or another"],
    ),
    "a published baseline on the miniature": (
        [MODEL, "--mieb-baseline=openai/clip-vit-base-patch32"],
        ["recorded on hub data, while this run reads miniature data", "scores of different data cannot be compared"],
    ),
    "near names of a published baseline": (
        [MODEL, "--mieb-baseline=openai/clip-vit-base-patch23"],
        ["no baseline 'openai/clip-vit-base-patch23'", "Did you mean openai/clip-vit-base-patch32"],
    ),
    "a tolerance of a word": (
        [*MEASURE, "--mieb-tolerance=little"],
        [
            "--mieb-tolerance=little: give points from 0 to 100, such as 0.5, or NAME=POINTS",
            "a category, a task, or means",
        ],
    ),
    "a tolerance above all scores": ([*MEASURE, "--mieb-tolerance=101"], ["--mieb-tolerance=101: give points from 0"]),
    "a tolerance below none": ([*MEASURE, "--mieb-tolerance=CIFAR10=-1"], ["--mieb-tolerance=CIFAR10=-1: give points"]),
    "a tolerance that is no number": ([*MEASURE, "--mieb-tolerance=nan"], ["--mieb-tolerance=nan: give points from 0"]),
    "a tolerance of nothing": ([*MEASURE, "--mieb-tolerance==1"], ["--mieb-tolerance==1: give points from 0 to 100"]),
    "near names of a tolerance": (
        [*MEASURE, "--mieb-tolerance=CIFAR11=1"],
        ["--mieb-tolerance=CIFAR11=...: no category or task 'CIFAR11'; near are CIFAR10"],
    ),
    "a tolerance for what is nothing": (
        [*MEASURE, "--mieb-tolerance=xyzzy=1"],
        ["no category or task 'xyzzy'; near are retrieval, ", "means"],
    ),
    "an alpha that is none": ([*MEASURE, "--mieb-alpha=0"], ["--mieb-alpha=0: give a share above 0 and up to 0.5"]),
    "an alpha in percent": ([*MEASURE, "--mieb-alpha=5"], ["--mieb-alpha=5: give a share above 0 and up to 0.5"]),
    "an alpha of a word": ([*MEASURE, "--mieb-alpha=five"], ["--mieb-alpha=five: give a share above 0 and up to 0.5"]),
    "a policy of another name": (
        [*MEASURE, "--mieb-policy=strict"],
        ["--mieb-policy=strict: legal are significance, non-inferiority"],
    ),
    "a calibration of no runs": (
        [*MEASURE, "--mieb-calibrate=0"],
        ["--mieb-calibrate=0: legal are whole numbers from 1 to 100"],
    ),
    "a calibration of a word": (
        [*MEASURE, "--mieb-calibrate=often"],
        ["--mieb-calibrate=often: legal are whole numbers from 1 to 100"],
    ),
    "a calibration that would be paid for": (
        ["--mieb-model=voyage:voyage-multimodal-3", "--mieb-baseline=none", "--mieb-calibrate=2"],
        ["--mieb-calibrate does not go with voyage:voyage-multimodal-3: every repetition would be paid for"],
    ),
    "a wrong value with workers": ([*MEASURE, "-n", "2", "--mieb-batch-size=no"], ["--mieb-batch-size=no: legal are"]),
    "a file for the cache": ([*MEASURE, "--mieb-cache=weights.pt"], ["weights.pt is a file; give a folder"]),
    "a file for the results": ([*MEASURE, "--mieb-results=weights.pt"], ["weights.pt is a file; give a folder"]),
    "a store of an unknown protocol": (
        [*MEASURE, "--mieb-store=nowhere://team/mieb"],
        ["--mieb-store=nowhere://team/mieb: Protocol not known: nowhere; give a folder, or a URL that fsspec opens"],
    ),
    "a store in no folder": (
        [*MEASURE, "--mieb-store=team/mieb"],
        ["/team/mieb: ", "No such file or directory", "make it, or mend the URL"],
    ),
    "a file for the store, with workers": (
        [*MEASURE, "-n", "2", "--mieb-store=weights.pt"],
        ["weights.pt: it cannot be reached (it is a file); correct the URL"],
    ),
    "an update of nothing": ([*MEASURE, "--mieb-update"], ["--mieb-update needs a baseline to write"]),
    "an update of no name": (
        [MODEL, "--mieb-update", "--mieb-baseline=my/baseline"],
        ["--mieb-baseline=my/baseline: a name of letters", "a path that ends in .yaml"],
    ),
}


@pytest.mark.parametrize(("arguments", "sentences"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_value_is_one_sentence(pytester: pytest.Pytester, arguments: list[str], sentences: list[str]) -> None:
    pytester.mkdir("empty")
    pytester.makefile(".pt", weights="")
    write(pytester.path / "bad-cards/Own.yaml", CARD.replace("protocol: clustering", "protocol: guess"))
    for name, data, tolerance in (
        ("release-7", "hub", 0.01),
        ("of-miniature", "miniature", 0.01),
        ("broken", "hub", "low"),
    ):
        text = BASELINE.format(model=name, data=data, tolerance=tolerance)
        write(pytester.path / f"baselines/{name}.yaml", text)
    assert_refused(pytester.runpytest_inprocess(*arguments, "--mieb-device=cpu", *devices(arguments)), *sentences)


def devices(arguments: list[str]) -> list[str]:
    """The device once more where it is what is tried: the last one given counts."""
    return [argument for argument in arguments if argument.startswith("--mieb-device")]


@pytest.mark.parametrize(
    "option",
    [
        "--mieb-revision=main",
        "--mieb-processor=models/clip",
        "--mieb-model-arg=mean=0.5",
        "--mieb-max-cost=5",
        "--mieb-data=hub",
        "--mieb-sizes=any",
        "--mieb-baseline=none",
        "--mieb-update",
        "--mieb-tolerance=1",
        "--mieb-alpha=0.01",
        "--mieb-policy=non-inferiority",
        "--mieb-strict-context",
        "--mieb-calibrate=5",
        "--mieb-results=out",
        "--mieb-cache=cache",
        "--mieb-store=store",
        "--mieb-tasks=cards",
        "--mieb-device=cpu",
        "--mieb-dtype=float16",
        "--mieb-store-dtype=float16",
        "--mieb-batch-size=8",
        "--mieb-trust-remote-code",
    ],
)
def test_an_option_without_a_model_is_refused(pytester: pytest.Pytester, option: str) -> None:
    name = option.partition("=")[0]
    assert_refused(pytester.runpytest_inprocess(option), f"{name} does nothing without --mieb-model; give the model")


INI = {
    "mieb_data": ("nowhere", "--mieb-data=nowhere: legal are hub"),
    "mieb_sizes": ("part", "--mieb-sizes=part: legal are expected, any"),
    "mieb_baseline": ("nowhere", "no baseline 'nowhere'"),
    "mieb_tasks": ("nowhere", "nowhere: no such folder; give one that holds task cards"),
    "mieb_tolerance": ("little", "--mieb-tolerance=little: give points from 0"),
    "mieb_alpha": ("5", "--mieb-alpha=5: give a share above 0"),
    "mieb_policy": ("strict", "--mieb-policy=strict: legal are"),
    "mieb_strict_context": ("perhaps", "perhaps"),
    "mieb_device": ("gpu", "--mieb-device=gpu: legal are"),
    "mieb_dtype": ("int8", "--mieb-dtype=int8: legal are"),
    "mieb_store_dtype": ("int8", "--mieb-store-dtype=int8: legal are float32, float16"),
    "mieb_store": ("nowhere://team", "--mieb-store=nowhere://team: Protocol not known"),
    "mieb_batch_size": ("-1", "--mieb-batch-size=-1: legal are"),
    "mieb_trust_remote_code": ("perhaps", "perhaps"),
}


@pytest.mark.parametrize(("name", "value", "sentence"), [(name, *rest) for name, rest in INI.items()], ids=INI)
def test_a_wrong_value_in_the_configuration_file_is_refused_as_on_the_command_line(
    pytester: pytest.Pytester, name: str, value: str, sentence: str
) -> None:
    pytester.makeini(f"[pytest]\n{name} = {value}\n")
    baseline = [] if name == "mieb_baseline" else ["--mieb-baseline=none"]
    assert_refused(pytester.runpytest_inprocess(MODEL, *baseline), sentence)


def test_a_setting_alone_in_the_configuration_file_does_nothing(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmieb_data = hub\nmieb_baseline = nowhere\nmieb_device = gpu\n")
    pytester.makepyfile("def test_own(): ...")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("mieb: *")


def test_the_command_line_wins_over_the_configuration_file(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nmieb_data = hub\nmieb_baseline = nowhere\nmieb_device = cuda:3\nmieb_dtype = float16\n"
        "mieb_batch_size = 8\n"
    )
    result = pytester.runpytest_inprocess(
        *COLLECT, "--mieb-data=miniature", "--mieb-device=cpu", "--mieb-dtype=bfloat16", "--mieb-batch-size=16"
    )
    assert header(result) == (
        "mieb: model miniature, data miniature, baseline none, device cpu, bfloat16, batches of 16"
    )


@pytest.mark.parametrize(
    ("model", "data"),
    [("miniature", "miniature"), ("miniature:damaged", "miniature"), ("org/model", "hub"), ("a.b:c", "hub")],
)
def test_data_is_the_hub_but_the_miniature_brings_its_own(pytester: pytest.Pytester, model: str, data: str) -> None:
    result = pytester.runpytest_inprocess(f"--mieb-model={model}", "--mieb-baseline=none", "--collect-only")
    assert header(result) == f"mieb: model {model}, data {data}, baseline none, device auto, batches of 64"


def test_a_revision_goes_with_a_hub_id(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(
        "--mieb-model=org/model", "--mieb-revision=refs/pr/1", "--mieb-baseline=none", "--collect-only", "-q"
    )
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("name", ["release-7", "baselines/release-7.yaml"])
def test_a_baseline_is_a_name_in_baselines_or_a_file(pytester: pytest.Pytester, name: str) -> None:
    write(pytester.path / "baselines/release-7.yaml", BASELINE.format(model="release 7", data="miniature", tolerance=0))
    result = pytester.runpytest_inprocess(MODEL, f"--mieb-baseline={name}", "--collect-only")
    assert "baseline release-7 (of release 7), " in header(result)


def test_the_default_baseline_is_the_one_with_the_models_name(pytester: pytest.Pytester) -> None:
    pytester.mkdir("step_40000")
    write(pytester.path / "baselines/step_40000.yaml", BASELINE.format(model="step 40000", data="hub", tolerance=0))
    result = pytester.runpytest_inprocess("--mieb-model=step_40000", "--collect-only")
    assert "baseline step_40000 (of step 40000), " in header(result)


@pytest.mark.parametrize(
    "options",
    [
        ["--mieb-model=openai/clip-vit-base-patch32"],
        ["--mieb-model=org/model", "--mieb-baseline=openai/clip-vit-base-patch32"],
    ],
    ids=["by default", "by name"],
)
def test_a_published_model_is_compared_with_its_published_scores(pytester: pytest.Pytester, options: list[str]) -> None:
    result = pytester.runpytest_inprocess(*options, "--collect-only")
    assert result.ret == pytest.ExitCode.OK
    assert "baseline openai/clip-vit-base-patch32, " in header(result)


def test_ones_own_baseline_wins_over_a_published_one(pytester: pytest.Pytester) -> None:
    text = BASELINE.format(model="measured here", data="hub", tolerance=0)
    write(pytester.path / "baselines/openai__clip-vit-base-patch32.yaml", text)
    result = pytester.runpytest_inprocess("--mieb-model=openai/clip-vit-base-patch32", "--collect-only")
    assert "baseline openai__clip-vit-base-patch32 (of measured here), " in header(result)


@pytest.mark.parametrize(
    ("baseline", "file"),
    [
        ([], "baselines/org__model.yaml"),
        (["--mieb-baseline=release-8"], "baselines/release-8.yaml"),
        (["--mieb-baseline=marks/release-8.yaml"], "marks/release-8.yaml"),
    ],
)
def test_an_update_names_the_file_that_it_will_write(pytester: pytest.Pytester, baseline: list[str], file: str) -> None:
    result = pytester.runpytest_inprocess("--mieb-model=org/model", "--mieb-update", *baseline, "--collect-only")
    assert f"baseline being recorded in {pytester.path / file}, " in header(result)
    assert not (pytester.path / file).exists()


def test_the_folder_of_further_cards_may_be_given_twice(pytester: pytest.Pytester) -> None:
    write(pytester.path / "one/Own.yaml", CARD)
    write(pytester.path / "two/deeper/Other.yaml", CARD.replace("Own", "Other"))
    result = pytester.runpytest_inprocess(
        *MEASURE, "--collect-only", "-q", "--mieb-tasks=one", "--mieb-tasks=two", "-k", "Own or Other"
    )
    assert [line.rpartition("::")[2] for line in result.outlines if "::" in line] == [
        "test_mieb[Own]",
        "test_mieb[Other]",
    ]


def test_two_cards_of_one_name_are_refused(pytester: pytest.Pytester) -> None:
    write(pytester.path / "one/Own.yaml", CARD)
    shutil.copytree(pytester.path / "one", pytester.path / "two")
    assert_refused(
        pytester.runpytest_inprocess(*MEASURE, "--mieb-tasks=one", "--mieb-tasks=two"),
        "'Own' is taken by",
        "choose another name",
    )


def test_a_folder_without_a_model_is_refused_before_the_first_task(pytester: pytest.Pytester) -> None:
    pytester.mkdir("empty")
    assert_refused(
        pytester.runpytest_subprocess("--mieb-model=empty", "--mieb-baseline=none", "--mieb-device=cpu", "-m", "lite"),
        "no config.json",
        "give a folder that save_pretrained wrote",
    )


def test_a_path_in_the_configuration_file_starts_from_that_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\nmieb_data = mirror\nmieb_tasks = cards\nmieb_baseline = release.yaml\n")
    mirror = pytester.mkdir("mirror")
    write(pytester.path / "cards/Own.yaml", CARD)
    write(pytester.path / "release.yaml", BASELINE.format(model="release 7", data="hub", tolerance=0))
    monkeypatch.chdir(pytester.mkdir("below"))
    result = pytester.runpytest_inprocess(MODEL, "--collect-only", "-k", "Own")
    assert result.ret == pytest.ExitCode.OK
    assert f"data {mirror}, baseline release (of release 7), " in header(result)


def test_the_model_is_not_loaded_for_tests_that_do_not_ask_for_it(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile("def test_own(): ...")
    options = ("--mieb-model=toymodels:raises", "--mieb-baseline=none")
    assert_refused(pytester.runpytest_inprocess(*options, f"{path}::test_own"), "none of the selected tests asks")
    beside = pytester.runpytest_inprocess(*options, path)
    assert_refused(beside, "raises() failed: RuntimeError: weights of step 40000 are truncated")
