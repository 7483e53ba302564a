"""Whole runs on a few small pictures."""

from __future__ import annotations

import csv
import hashlib
import re
import signal

import pytest

import rushlight
from rushlight.finetune import FinetuneError, Interrupted, Settings, finetune
from rushlight.finetune._run import _Run

pytestmark = pytest.mark.usefixtures("small")


def raises(text):
    return pytest.raises(FinetuneError, match=f"^{re.escape(text)}$")


def digest(state):
    """SHA-256 of all weights and statistics."""
    whole = hashlib.sha256()
    for name in sorted(state):
        whole.update(name.encode() + state[name].detach().contiguous().numpy().tobytes())
    return whole.hexdigest()


def outcome(result):
    """All of a result that must not depend on time, threads or interruptions."""
    history = [{k: v for k, v in row.items() if "second" not in k} for row in result.history]
    return digest(result.model.state_dict()), history, result.confusion, result.loss


def saved(result):
    return rushlight.load(str(result.checkpoint))


def test_a_run_learns_and_writes_its_results(options):
    result = finetune(**{**options, "epochs": 4})
    assert result.classes == ["blue", "green", "red"]
    assert result.accuracy > 0.8
    assert [sum(row) for row in result.confusion] == [3, 3, 3]
    assert not result.model.training

    assert result.checkpoint == options["out"] / "checkpoint.pth"
    content = saved(result)
    assert content["classes"] == result.classes
    assert digest(content["model"]) == digest(result.model.state_dict())
    assert sorted(path.name for path in options["out"].iterdir()) == sorted(
        ["checkpoint.pth", "history.csv"] + (["report.png"] if result.report else [])
    )

    with open(options["out"] / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [float(row["train_loss"]) for row in rows] == [row["train_loss"] for row in result.history]
    assert float(rows[-1]["lr"]) == pytest.approx(0, abs=1e-12)
    assert rows[-1]["held_out_accuracy"] == str(result.accuracy)


def test_the_report_is_a_picture(options):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    with image.open(finetune(**{**options, "epochs": 1}).report) as picture:
        assert picture.size == (1440, 1200)
        assert picture.format == "PNG"


def test_a_run_without_matplotlib_says_so(options, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = finetune(**{**options, "epochs": 1, "quiet": False})
    assert result.report is None
    assert (
        "report.png will not be written: it needs matplotlib: pip install 'rushlight[plots]'\n"
        in capsys.readouterr().out
    )


def test_a_run_repeats_whatever_the_threads(options, tmp_path):
    first = outcome(finetune(**options, threads=1))
    assert outcome(finetune(**{**options, "workers": 3, "out": tmp_path / "b"}, threads=2)) == first
    assert outcome(finetune(**{**options, "out": tmp_path / "c"}, seed=1)) != first


def stop_at(monkeypatch, epoch, batch, number=signal.SIGTERM):
    """Send a signal once that many batches of that epoch are done."""
    show = _Run._show_batch

    def show_and_stop(self):
        show(self)
        if (self.state.progress.epoch, self.state.progress.batch) == (epoch, batch):
            signal.raise_signal(number)

    monkeypatch.setattr(_Run, "_show_batch", show_and_stop)


@pytest.mark.parametrize(("epoch", "batch"), [(0, 1), (0, 4), (1, 3)])
def test_an_interrupted_run_resumes_to_the_same_bits(options, tmp_path, monkeypatch, epoch, batch):
    whole = outcome(finetune(**{**options, "out": tmp_path / "whole"}))
    with monkeypatch.context() as patched:
        stop_at(patched, epoch, batch)
        with pytest.raises(Interrupted) as caught:
            finetune(**options)
    assert caught.value.signal == signal.SIGTERM
    assert caught.value.checkpoint == str(options["out"] / "checkpoint.pth")
    assert str(caught.value) == f"finetune: stopped by SIGTERM; checkpoint: {options['out']}/checkpoint.pth"
    rushlight.manual_seed(99)
    assert outcome(finetune(out=options["out"], resume=True, workers=0, quiet=True)) == whole


def test_resuming_twice_and_after_the_end(options, tmp_path, monkeypatch):
    whole = outcome(finetune(**{**options, "out": tmp_path / "whole"}))
    for epoch, batch, resume in ((0, 2, False), (1, 1, True)):
        with monkeypatch.context() as patched:
            stop_at(patched, epoch, batch, signal.SIGINT)
            with pytest.raises(Interrupted):
                finetune(**options, resume=resume)
    assert outcome(finetune(**options, resume=True)) == whole
    assert outcome(finetune(**options, resume=True)) == whole  # nothing left to do


def test_an_interrupted_checkpoint_is_usable(options, monkeypatch, tmp_path):
    with monkeypatch.context() as patched:
        stop_at(patched, 0, 2)
        with pytest.raises(Interrupted):
            finetune(**options)
    result = finetune(**{**options, "out": tmp_path / "next", "weights": options["out"] / "checkpoint.pth"})
    assert len(result.history) == 2


def test_signal_handlers_are_put_back(options):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    finetune(**{**options, "epochs": 1})
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_resume_refuses_another_run(options, folder, monkeypatch):
    out, checkpoint = options["out"], options["out"] / "checkpoint.pth"
    with raises(
        f"finetune: resume: no checkpoint at {checkpoint}; give out=FOLDER of the run, "
        "or start without resume"
    ):
        finetune(**options, resume=True)
    finetune(**{**options, "epochs": 1})
    with raises(
        "finetune: resume goes on with the run's own settings, got other ones: batch_size=4 (the run: 8), "
        "epochs=3 (the run: 1); leave them out, or start a new run"
    ):
        finetune(**{**options, "epochs": 3, "batch_size": 4}, resume=True)
    (folder / "red" / "00.png").rename(folder / "red" / "other.png")
    with raises(
        f"finetune: resume: the pictures in {folder} are not those the run began with; "
        f"restore them, or start a new run with weights={checkpoint}"
    ):
        finetune(out=out, resume=True, quiet=True)
    (folder / "red").rename(folder / "violet")
    with raises(
        "finetune: resume: the checkpoint's classes are blue, green, red; the data has blue, green, violet; "
        f"start a new run with weights={checkpoint}"
    ):
        finetune(out=out, resume=True, quiet=True)
    rushlight.save({"fc.weight": rushlight.zeros(1)}, str(checkpoint))
    with raises(
        f"finetune: resume: {checkpoint} is not a checkpoint of this job; "
        f"start from its weights instead: weights={checkpoint}"
    ):
        finetune(out=out, resume=True, quiet=True)


def test_a_frozen_backbone_stays_as_it_was_and_gets_a_new_head(options, tmp_path, capsys):
    first = finetune(**{**options, "epochs": 1})
    second = finetune(
        **{**options, "out": tmp_path / "second", "quiet": False},
        weights=first.checkpoint,
        freeze_backbone=True,
        classes="warm=red;cold=blue,green",
    )
    before, after = saved(first)["model"], saved(second)["model"]
    assert tuple(after["fc.weight"].shape) == (2, 8)
    body = [name for name in before if not name.startswith("fc.")]
    assert digest({name: before[name] for name in body}) == digest({name: after[name] for name in body})
    assert second.classes == ["warm", "cold"]
    line = f"weights: from {first.checkpoint} with a new head for 2 classes; 18 of 250 parameters learn\n"
    assert line in capsys.readouterr().out


def test_the_head_is_kept_for_the_same_classes(options, tmp_path):
    first = finetune(**{**options, "epochs": 4})
    again = {**options, "epochs": 1, "lr": 1e-9, "out": tmp_path / "again"}
    second = finetune(**again, weights=first.checkpoint, freeze_backbone=True)
    assert second.loss == pytest.approx(first.loss, rel=1e-5)


def test_weights_that_know_the_held_out_pictures_are_told(options, tmp_path, capsys):
    first = finetune(**{**options, "epochs": 1})
    second = {**options, "epochs": 1, "out": tmp_path / "b", "weights": first.checkpoint, "quiet": False}
    finetune(**second)
    assert "held out here" not in capsys.readouterr().out
    finetune(**second, split=1)
    assert (
        f"weights: from {first.checkpoint} (they have learned from pictures held out here, so the accuracy "
        "will look too good: keep split=0 and val_fraction=0.25); "
    ) in capsys.readouterr().out


def test_a_bare_state_dict_serves_as_weights(options, tmp_path):
    path = tmp_path / "bare.pth"
    rushlight.save(finetune(**{**options, "epochs": 1}).model.state_dict(), str(path))
    finetune(**{**options, "epochs": 1}, weights=path, freeze_backbone=True)


def test_weights_that_do_not_fit(options, tmp_path):
    first = finetune(**{**options, "epochs": 1})
    with raises(f"finetune: weights: {first.checkpoint} is of a resnet18, got arch='resnet34'"):
        finetune(**options, weights=first.checkpoint, arch="resnet34")
    with raises(
        "finetune: weights must be None, one of IMAGENET1K_V1, DEFAULT, or a file; "
        "there is no file 'nowhere.pth'"
    ):
        finetune(**options, weights="nowhere.pth")
    path = tmp_path / "other.pth"
    state = dict(saved(first)["model"])
    for change, text in (
        ({"conv1.weight": None}, "missing: conv1.weight"),
        ({"extra": rushlight.zeros(1), "more": rushlight.zeros(1)}, "unexpected: extra and 1 more"),
        ({"bn1.bias": rushlight.zeros(3)}, "of another shape: bn1.bias (3,) instead of (8,)"),
    ):
        changed = {name: value for name, value in {**state, **change}.items() if value is not None}
        rushlight.save(changed, str(path))
        with raises(f"finetune: weights: {path} does not fit arch='resnet18': {text}"):
            finetune(**options, weights=path)
    path.write_bytes(b"nothing")
    with pytest.raises(FinetuneError, match=f"^finetune: weights: cannot read {re.escape(str(path))}: "):
        finetune(**options, weights=path)
    rushlight.save([1, 2], str(path))
    with raises(f"finetune: weights: {path} holds a list, expected a dict of weights"):
        finetune(**options, weights=path)


def test_a_download_that_fails(options, monkeypatch):
    def fail(url, **how):
        raise RuntimeError(f"could not download {url.rsplit('/', 1)[1]}")

    monkeypatch.setattr("rushlight.vision.models._api.load_state_dict_from_url", fail)
    with raises("finetune: weights: could not download resnet18-f37072fd.pth"):
        finetune(**options, weights="DEFAULT")


def test_divergence_stops_with_advice_and_keeps_the_checkpoint(options):
    first = finetune(**{**options, "epochs": 1})
    content = first.checkpoint.read_bytes()
    with pytest.raises(FinetuneError) as caught:
        finetune(**{**options, "lr": 1e30})
    assert re.fullmatch(
        r"finetune: the (held-out )?loss became (nan|inf) in epoch 1, after batch \d of 4: "
        r"training diverged; try a smaller lr, 1e\+29 instead of 1e\+30; the last checkpoint before it is "
        + re.escape(str(first.checkpoint)),
        str(caught.value),
    )
    assert first.checkpoint.read_bytes() == content


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
        ({"epochs": 2.5}, "epochs must be an integer of at least 1, got 2.5"),
        (
            {"batch_size": 1},
            (
                "batch_size must be an integer of at least 2; "
                "batch normalisation needs two pictures to compare, got 1"
            ),
        ),
        ({"image_size": 4}, "image_size must be an integer of at least 8, got 4"),
        ({"threads": 0}, "threads must be an integer of at least 1, got 0"),
        ({"workers": -1}, "workers must be an integer of at least 0, got -1"),
        ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
        ({"lr": 0}, "lr must be a number above 0, got 0"),
        ({"lr": float("nan")}, "lr must be a number above 0, got nan"),
        ({"momentum": 1.0}, "momentum must be a number from 0 to below 1, got 1.0"),
        ({"weight_decay": -0.1}, "weight_decay must be a number 0 or more, got -0.1"),
        ({"val_fraction": 1.0}, "val_fraction must be a number between 0 and 1, got 1.0"),
        (
            {"freeze_backbone": True},
            "freeze_backbone needs weights to freeze, got weights=None; give weights=DEFAULT or a checkpoint",
        ),
    ],
)
def test_wrong_settings(change, text):
    with raises("finetune: " + text):
        Settings(**change)


def test_an_unknown_arch(options):
    with raises(
        "finetune: arch must be one of resnet101, resnet152, resnet18, resnet34, resnet50, resnext50_32x4d, "
        "wide_resnet50_2, got 'vgg16'"
    ):
        finetune(**options, arch="vgg16")
