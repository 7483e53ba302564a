"""Prints the whole comparison with NumPy and PyTorch, or the named groups of it."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import environment, report
from bench.compare import Row, interleaved

# Group -> module with cases(quick, dtype); the order is the order of printing.
GROUPS = {
    "steps": "bench.steps",
    "digits": "bench.digits",
    "matmul": "bench.matmul",
    "streams": "bench.streams",
    "small": "bench.small",
    "conv": "bench.conv",
    "startup": "bench.startup",
}
# Those that say something about bfloat16.
IN_BFLOAT16 = ("steps", "digits", "matmul", "conv")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; ends the program with a message if it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "groups", nargs="*", metavar="group", help=f"any of {', '.join(GROUPS)} (default: all)"
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="only rows with TEXT in their name")
    parser.add_argument(
        "--bfloat16", action="store_true", help=f"in bfloat16 (steps: autocast): {', '.join(IN_BFLOAT16)}"
    )
    parser.add_argument(
        "--precision",
        choices=tuple(environment.PRODUCTS),
        default="highest",
        help="of float32 products, for rushlight and PyTorch (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rows and samples")
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="for all (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw it (needs matplotlib)")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.groups) - set(GROUPS)):
        parser.error(f"unknown group {', '.join(unknown)}; expected any of {', '.join(GROUPS)}")
    options.dtype = "bfloat16" if options.bfloat16 else "float32"
    if options.bfloat16:
        if other := sorted(set(options.groups) - set(IN_BFLOAT16)):
            parser.error(f"--bfloat16 is for {', '.join(IN_BFLOAT16)}, not for {', '.join(other)}")
        options.groups = options.groups or list(IN_BFLOAT16)
    if options.threads < 1:
        parser.error(f"--threads must be 1 or more, got {options.threads}")
    if options.picture and importlib.util.find_spec("matplotlib") is None:
        parser.error("--picture needs matplotlib: pip install 'rushlight[plots]'")
    return options


def measure(options: argparse.Namespace, limits: environment.Limits, say: Callable[[str], None]) -> list[Any]:
    """Times the chosen rows, saying each as it is done; returns them as `--json` keeps them."""
    kept = []
    for group in options.groups or GROUPS:
        module = importlib.import_module(GROUPS[group])
        say(f"\n{module.__doc__.strip().splitlines()[0]}")
        for case in module.cases(options.quick, options.dtype):
            if options.only in case.name:
                row = Row(case, interleaved(case.make(), samples=5 if options.quick else 9))
                say(report.line(row, limits))
                kept.append(report.as_json(group, row, limits))
    return kept


def main() -> None:
    options = parse()
    held = environment.hold_others(os.environ, options.threads)
    environment.use_threads(options.threads)
    facts = environment.facts(held)
    environment.use_precision(options.precision)
    limits = environment.limits(options.dtype, options.precision)
    facts["type"] = options.dtype
    facts["precision"] = options.precision
    facts["limits"] = report.describe_limits(limits)
    for name, value in facts.items():
        print(f"{name:<10} {value}")
    print("Ratios: time of the other divided by ours; above 1x, rushlight is faster.")
    rows = measure(options, limits, lambda text: print(text, flush=True))
    result = {"environment": facts, "limits": vars(limits), "rows": rows}
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.picture:
        from bench import picture

        picture.draw(result, options.picture)


if __name__ == "__main__":
    main()
