"""``torch.hub`` as far as it is about weights."""

from __future__ import annotations

from rushlight.io.hub import download_url_to_file, get_dir, load_state_dict_from_url, set_dir

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]
