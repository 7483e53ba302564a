"""How rushlight was built and what it runs on."""

from __future__ import annotations

import platform

from rushlight import _core


def facts() -> dict[str, str]:
    """What a bug report or a timing needs to say, as name to value.

    Returns:
        ``rushlight`` (version), ``python``, ``platform``, ``compiler``, ``isa`` (level in use; lower it with
        the environment variable RUSHLIGHT_ISA), ``isa best`` (the best this machine has), ``threads``.
    """
    return {
        "rushlight": _core.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **_core._build_info(),
    }


def machine_limits() -> dict[str, float]:
    """What this machine does at most with the level and threads in use, measured with our own loops.

    Returns:
        ``fma`` and ``tiles``: operations a second of float32 multiply-adds and of bfloat16 tile products (0
        below level amx); ``stream``, ``update`` and ``read``: bytes a second of ``a + s * b``, of the same in
        place, and of a sum, over large arrays. The first call takes about 0.1 s.
    """
    return _core._machine_limits()


def kernels() -> dict[str, str]:
    """The kernel of each family at the level in use, for sizes that suit it.

    What an op really took, and why nothing faster, is seen with RUSHLIGHT_VERBOSE=1 or `rushlight.profiler`.
    """
    return _core._kernels()


def show() -> str:
    """Facts and kernels as text, one a line."""
    lines = [f"{name:<10} {value}" for name, value in facts().items()]
    lines += ["kernels:", *(f"  {family:<22} {name}" for family, name in kernels().items())]
    return "\n".join(lines)


def show_config() -> None:
    """Prints versions, compiler, instruction-set level, threads and the kernels chosen."""
    print(show())
