"""Prints every comparison, or the named ones: `python -m bench [matmul train ...] [--json FILE]`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from dataclasses import asdict
from pathlib import Path

# Group -> module with rows(quick); the order is the order of printing.
GROUPS = {
    "startup": "bench.startup",
    "matmul": "bench.matmul",
    "conv": "bench.conv",
    "ops": "bench.ops",
    "train": "bench.train_resnet18",
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "groups", nargs="*", metavar="group", help=f"any of {', '.join(GROUPS)} (default: all)"
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--quick", action="store_true", help="fewer sizes and samples")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write environment and rows there")
    options = parser.parse_args()
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"unknown group {', '.join(sorted(unknown))}; expected any of {', '.join(GROUPS)}")
    return options


def main() -> None:
    options = parse()
    # NumPy's BLAS reads this when it is first imported.
    os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)
    import rushlight
    from bench import compare

    rushlight.set_num_threads(options.threads)
    torch = compare.torch_or_none()
    if torch is not None:
        torch.set_num_threads(options.threads)
    environment = compare.environment()
    for key, value in environment.items():
        print(f"{key:<10} {value}")
    tables = {}
    for group in options.groups or GROUPS:
        module = importlib.import_module(GROUPS[group])
        title = f"{module.__doc__.strip()} (above 1x: rushlight is faster)"
        tables[group] = compare.print_table(title, module.rows(options.quick))
    if options.json:
        rows = {group: [asdict(row) for row in table] for group, table in tables.items()}
        options.json.write_text(json.dumps({"environment": environment, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
