"""The graph behind a tensor: its nodes, and a picture of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rushlight._core import Node as Node
from rushlight._core import Tensor


def nodes(tensor: Tensor) -> Iterator[Node]:
    """Every node that made ``tensor``, each once, the last op first."""
    stack = [tensor.grad_fn]
    seen: dict[Node, None] = {}  # keeps the Python objects alive, by which nodes are known
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen[node] = None
        yield node
        stack.extend(following for following, _ in reversed(node.next_functions))


def draw(tensor: Tensor, names: Mapping[str, Tensor] | None = None) -> Any:
    """A picture of the graph behind ``tensor``, with the leaves' names and shapes.

    Needs the package ``graphviz`` (``pip install rushlight[graph]``).

    Args:
        tensor: the tensor whose history is drawn.
        names: names of leaves, as ``dict(model.named_parameters())``.

    Returns:
        A ``graphviz.Digraph``: shown by notebooks; ``.source`` is the text, ``.render(path)`` writes a file.

    Raises:
        ImportError: if graphviz is not installed.
        RuntimeError: if the tensor has no history.
    """
    try:
        import graphviz
    except ImportError as error:
        raise ImportError("draw needs the package graphviz: pip install 'rushlight[graph]'") from error
    if tensor.grad_fn is None:
        raise RuntimeError(
            f"draw: the tensor of shape {tuple(tensor.shape)} has no grad_fn: there is no graph"
        )
    labels = {id(leaf): name for name, leaf in (names or {}).items()}
    picture = graphviz.Digraph(node_attr={"shape": "box", "fontname": "monospace", "fontsize": "10"})
    keys = {node: f"node{number}" for number, node in enumerate(nodes(tensor))}
    for node, key in keys.items():
        if node.name() == "AccumulateGrad":
            label = labels.get(id(node.variable), "leaf")
            text = f"{label}\n{tuple(node.variable.shape)}"
            picture.node(key, text, style="filled", fillcolor="lightblue")
        else:
            picture.node(key, node.name())
        for following, _ in node.next_functions:
            if following is not None:
                picture.edge(keys[following], key)
    picture.node("result", f"result\n{tuple(tensor.shape)}", style="filled", fillcolor="palegreen")
    picture.edge(keys[tensor.grad_fn], "result")
    return picture
