"""Where the figures come from: the processor, its measured limits, the libraries and what they may use."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent

# RUSHLIGHT_ISA -> what holds the others to the same instructions. They read it when they are loaded.
HELD = {
    "generic": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "avx512": {
        "ATEN_CPU_CAPABILITY": "avx512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512",
        "OPENBLAS_CORETYPE": "SkylakeX",
    },
}


def hold_others(environment: MutableMapping[str, str], threads: int) -> dict[str, str]:
    """Sets the variables that hold NumPy and PyTorch to RUSHLIGHT_ISA and to `threads`.

    They are read when those are imported: call it before. A variable that the caller has set stays as it is.

    Returns:
        The variables in effect that limit instructions.
    """
    environment["OPENBLAS_NUM_THREADS"] = str(threads)
    # NumPy's idle threads spin for 2^20 ticks, less than a millisecond, not for a tenth of a second: whoever
    # comes next would share a processor with them.
    environment.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")
    level = environment.get("RUSHLIGHT_ISA", "")
    for name, value in HELD.get(level, {}).items():
        environment.setdefault(name, value)
    names = sorted({name for held in HELD.values() for name in held})
    return {name: environment[name] for name in names if name in environment}


# Fewer bytes may come from the caches, whose speed was not measured.
BEYOND_CACHES = 16 << 20


def torch_or_none() -> ModuleType | None:
    """PyTorch where it is installed, else None."""
    try:
        import torch
    except ImportError:
        return None
    return torch


def libraries() -> list[ModuleType]:
    """rushlight, and PyTorch where it is installed."""
    import rushlight

    torch = torch_or_none()
    return [rushlight] if torch is None else [rushlight, torch]


@dataclass(frozen=True)
class Limits:
    """What the machine does at most, in operations and bytes a second; measured by our engine in this run."""

    fma: float
    tiles: float
    stream: float
    update: float
    read: float
    products: int = 6  # tile products that make one product of the type under test: 1 for bfloat16 itself

    def arithmetic(self) -> tuple[float, str]:
        """The fastest way to multiply and add in the type under test, and its name."""
        name = "tiles" if self.products == 1 else f"tiles/{self.products}"
        return max((self.fma, "FMA"), (self.tiles / self.products, name))

    def least_seconds(self, flop: float, bytes: float, traffic: str) -> tuple[float, str]:
        """The shortest possible time of such work and what bounds it; (0, "") if nothing is known of it.

        Args:
            traffic: what the bytes are held against, "stream", "update" or "read".
        """
        rate, name = self.arithmetic()
        bounds = [(flop / rate, name)] if flop else []
        if bytes >= BEYOND_CACHES:
            bounds.append((bytes / getattr(self, traffic), traffic))
        return max(bounds, default=(0.0, ""))


# Tile products that make a float32 one.
PRODUCTS = {"highest": 6, "high": 3, "medium": 1}


def limits(dtype: str, precision: str = "highest") -> Limits:
    """Measures them, in a fraction of a second; arithmetic for "float32" in a precision, or "bfloat16"."""
    import rushlight

    products = PRODUCTS[precision] if dtype == "float32" else 1
    return Limits(**rushlight.__config__.machine_limits(), products=products)


def use_precision(precision: str) -> None:
    """Sets what float32 products may lose, in all libraries that have the word for it."""
    for library in libraries():
        library.set_float32_matmul_precision(precision)


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def facts(held: dict[str, str]) -> dict[str, str]:
    """What a reader needs to judge the figures: processor, level, threads, compiler, versions, commit."""
    import numpy

    import rushlight

    found = {"cpu": _cpu_model(), "commit": _commit(), **rushlight.__config__.facts()}
    found["numpy"] = numpy.__version__
    torch = torch_or_none()
    found["torch"] = "not installed"
    if torch is not None:
        found["torch"] = f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
    if held:
        found["held to"] = " ".join(f"{name}={value}" for name, value in held.items())
    return found


def use_threads(threads: int) -> None:
    """Lets every library use that many threads (NumPy: see hold_others)."""
    for library in libraries():
        library.set_num_threads(threads)
