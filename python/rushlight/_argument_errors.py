"""What a call of the compiled engine says when no signature takes its arguments.

`bindings/argument_error.cpp` calls `explain` with pybind11's own text, which lists the signatures; only that
text is read here, so that a new op needs nothing. Imported on the first such error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_DUMP = re.compile(r"(\w+)\(\): incompatible (?:function|constructor) arguments\.", re.ASCII)
_SIGNATURE = re.compile(r"^    \d+\. (?P<head>\w*)\((?P<parameters>.*)\)(?: -> .*)?$", re.MULTILINE)
_LONGEST_VALUE = 60


@dataclass
class _Parameter:
    name: str
    type: str
    default: str | None
    keyword_only: bool

    @property
    def variadic(self) -> bool:
        return self.name.startswith("*")

    def __str__(self) -> str:
        return (
            self.name
            if self.variadic
            else f"{self.name}: {self.type}" + ("" if self.default is None else f" = {self.default}")
        )


def explain(text: str, given: Sequence[object], named: Mapping[str, object]) -> str | None:
    """The message for a call with the positional arguments `given` and the keyword arguments `named`.

    `text` is pybind11's. Returns None if it is no list of signatures, but some op's own TypeError.
    """
    head = _DUMP.match(text)
    if head is None:
        return None
    name = head[1]
    listing = text[: text.rfind("\nInvoked with: ")]
    forms = [_parse(found["parameters"]) for found in _SIGNATURE.finditer(listing)]
    expected = "\n".join(f"  {name}({_show(form)})" for form in forms)
    problems = [_problem(form, given, named) for form in forms]
    problem = problems[0] if len(problems) == 1 else None
    if problem is None:
        types = [_type(value) for value in given] + [f"{key}: {_type(value)}" for key, value in named.items()]
        problem = f"no form takes ({', '.join(types)})"
    return f"{name}(): {problem}; expected:\n{expected}"


def _parse(parameters: str) -> list[_Parameter]:
    result = []
    keyword_only = False
    for part in _split(parameters):
        if part == "*":
            keyword_only = True
            continue
        name, _, rest = part.partition(": ")
        kind, equals, default = rest.partition(" = ")
        kind = kind.replace("typing.SupportsInt | typing.SupportsIndex", "int")
        kind = kind.replace("typing.SupportsFloat | typing.SupportsIndex", "float")
        kind = kind.replace("collections.abc.Sequence[", "Sequence[")
        result.append(_Parameter(name, kind, default if equals else None, keyword_only))
        keyword_only |= result[-1].variadic
    return result


def _split(parameters: str) -> Iterable[str]:
    """The parts between the commas outside of brackets and quotes."""
    depth, start, quoted = 0, 0, False
    for i, c in enumerate(parameters):
        quoted ^= c == "'"
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0 and not quoted:
            yield parameters[start:i].strip()
            start = i + 1
    if parameters[start:].strip():
        yield parameters[start:].strip()


def _show(form: Sequence[_Parameter]) -> str:
    parts: list[str] = []
    for parameter in form:
        if parameter.keyword_only and not any(part.startswith("*") for part in parts):
            parts.append("*")
        parts.append(str(parameter))
    return ", ".join(parts)


def _problem(form: Sequence[_Parameter], given: Sequence[object], named: Mapping[str, object]) -> str | None:
    """What keeps this signature from taking the arguments; None if that cannot be told."""
    any_number = any(parameter.variadic for parameter in form)
    form = [parameter for parameter in form if not parameter.variadic]
    positional = [parameter for parameter in form if not parameter.keyword_only]
    names = [parameter.name for parameter in form]
    for key in named:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            return f"unknown argument {key!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
    if len(given) > len(positional) and not any_number:
        return f"{len(given)} positional arguments given, at most {len(positional)} are taken"
    values = {parameter.name: value for parameter, value in zip(positional, given, strict=False)}
    for key in named:
        if key in values:
            return f"argument {key!r} given by position and by name"
    values.update(named)
    for parameter in form:
        if parameter.default is None and parameter.name not in values:
            return f"argument {parameter.name!r} is missing"
    for position, parameter in enumerate(form, 1):
        if parameter.name in values and not _takes(parameter.type, values[parameter.name]):
            where = f" (position {position})" if parameter.name not in named else ""
            value = values[parameter.name]
            return f"argument {parameter.name!r}{where} must be {parameter.type}, not {_describe(value)}"
    return None


def _takes(kind: str, value: object) -> bool:
    """Whether a parameter of this type takes the value, as far as its text tells."""
    return any(_takes_one(one, value) for one in re.split(r" \| (?![^\[]*\])", kind))


def _takes_one(kind: str, value: object) -> bool:
    element = re.fullmatch(r"(?:tuple|list|Sequence)\[(.*?)(?:, .*)?\]", kind)
    if element is not None:
        return isinstance(value, (tuple, list)) and all(_takes(element[1], item) for item in value)
    integral = hasattr(value, "__index__") and type(value).__name__ != "Tensor"
    known = {
        "Tensor": lambda: any(base.__name__ == "Tensor" for base in type(value).__mro__),
        "int": lambda: integral,
        "float": lambda: integral or hasattr(value, "__float__"),
        "bool": lambda: isinstance(value, bool),
        "str": lambda: isinstance(value, str),
        "None": lambda: value is None,
        "dtype": lambda: type(value).__name__ == "dtype" or value in (float, int, bool),
    }
    return known[kind]() if kind in known else True


def _type(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _describe(value: object) -> str:
    """The type of a value and, if it is short and simple, the value; of a list, the types in it."""
    if isinstance(value, (tuple, list)):
        kinds = list(dict.fromkeys(_type(item) for item in value))
        return f"{_type(value)} of {', '.join(kinds)}" if kinds else f"an empty {_type(value)}"
    if isinstance(value, (str, int, float, complex)):
        shown = repr(value)
        return f"{_type(value)} {shown}" if len(shown) <= _LONGEST_VALUE else _type(value)
    return _type(value)
