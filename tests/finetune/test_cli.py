"""The command line: exit codes, one-line errors, and what is shown."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from rushlight.cli import main
from rushlight.finetune import _display
from rushlight.finetune._display import Display


def arguments(options, **more):
    words = ["finetune"]
    for name, value in {**options, **more}.items():
        flag = "--" + name.replace("_", "-")
        words += [flag] if value is True else [flag, str(value)]
    return words


@pytest.mark.usefixtures("small")
def test_a_run_prints_one_line_an_epoch(options, capsys):
    assert main(arguments({**options, "quiet": True}, epochs=1)) == 0
    assert capsys.readouterr() == ("", "")
    del options["quiet"]
    assert main(arguments(options)) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == (
        f"resnet18 on {options['data']}: 3 classes, 27 pictures to learn from, 9 held out, 16x16 pixels"
    )
    assert lines[1] == "weights: from scratch; 259 of 259 parameters learn"
    number = r"\d+(\.\d+)?"
    for i in (1, 2):
        assert re.fullmatch(
            rf"epoch {i}/2  loss {number}  accuracy {number}%  held-out loss {number}  "
            rf"held-out accuracy {number}%  {number} images/s  {number} s",
            lines[1 + i],
        )
    assert re.fullmatch(rf"held-out accuracy {number}% \(\d of 9 pictures\)", lines[4])
    assert lines[5].startswith(f"written to {options['out']}: checkpoint.pth, history.csv")
    assert len(lines) == 6


def test_errors_are_one_line_and_exit_with_1(options, capsys, tmp_path):
    assert main(arguments({**options, "lr": 0})) == 1
    assert capsys.readouterr().err == "rushlight: error: finetune: lr must be a number above 0, got 0.0\n"
    assert main(arguments({**options, "data": tmp_path / "none"})) == 1
    assert capsys.readouterr().err.startswith(
        f"rushlight: error: finetune: data: no such folder: {tmp_path}/none"
    )


def test_debug_shows_where(options):
    with pytest.raises(RuntimeError, match="epochs must be an integer"):
        main(arguments({**options, "epochs": 0}, debug=True))


def test_unexpected_errors_say_how_to_see_more(options, capsys, monkeypatch):
    def fail(*args):
        raise KeyError("something\nodd")

    monkeypatch.setattr("rushlight.cli.run", fail)
    assert main(arguments(options)) == 1
    assert capsys.readouterr().err == "rushlight: error: KeyError: 'something\\nodd' (--debug shows where)\n"


@pytest.mark.parametrize(
    "words", [[], ["finetune", "--epochs", "many"], ["finetune", "--nothing"], ["other"]]
)
def test_wrong_usage_exits_with_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: rushlight")


def test_help_names_every_option_and_default(capsys):
    with pytest.raises(SystemExit):
        main(["finetune", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "--freeze-backbone",
        "--batch-size N pictures a step (32)",
        "(0.02)",
        "--resume",
        "--skip-bad",
    ):
        assert part in text


@pytest.mark.usefixtures("small")
def test_weights_none_means_none(options):
    assert main(arguments(options, weights="None", epochs=1)) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_stopped_process_leaves_a_checkpoint_and_says_how_to_go_on(options):
    del options["quiet"]
    command = [sys.executable, "-m", "rushlight", *arguments(options, epochs=1000)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("epoch 1/"):
            break
    process.send_signal(signal.SIGTERM)
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 143
    checkpoint = options["out"] / "checkpoint.pth"
    assert error == (
        f"finetune: stopped by SIGTERM; checkpoint: {checkpoint}\n"
        f"Go on with: rushlight finetune --resume --out {options['out']}\n"
    )
    assert checkpoint.exists()
    assert not [name for name in os.listdir(options["out"]) if name.endswith(".tmp")]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("tqdm", [True, False])
def test_a_terminal_gets_a_bar(monkeypatch, tqdm):
    if tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    display = Display(quiet=False)
    for done in (30, 60, 120):
        display.step("epoch 1/2", done, 120, "loss 0.5")
        time.sleep(0.11 if tqdm else 0)  # tqdm draws ten times a second at most
    display.end()
    text = stream.getvalue()
    assert "epoch 1/2" in text
    assert "loss 0.5" in text
    assert "60/120" in text
    if not tqdm:
        assert "\r\x1b[Kepoch 1/2 [############------------] 60/120  loss 0.5" in text
        assert text.endswith("\r\x1b[K")


def test_no_terminal_no_bar(capsys):
    display = _display.Display(quiet=False)
    display.step("reading", 1, 2)
    display.line("done")
    assert capsys.readouterr() == ("done\n", "")
