"""Independent pieces of numpy work side by side."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch


def in_threads(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Results in order; numpy computes outside Python's lock, on as many cores as torch does."""
    n_threads = torch.get_num_threads()
    if n_threads == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))
