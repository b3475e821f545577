"""Inner products of several timesteps at once, each in a thread of its own."""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64
from threadpoolctl import threadpool_limits
from torch import Tensor


@final
class SideBySide:
    """Adds products while the caller reads on; all are there when the block ends.

    NumPy sees that both factors of ``x @ x.T`` are one array and makes half of the products, which
    one thread does well and several do badly. A timestep is computed by one thread whatever their
    number, so that results do not depend on it.

    Parameters
    ----------
    n_threads
        Timesteps that are computed at once.
    """

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._stack = ExitStack()
        self._pool: ThreadPoolExecutor | None = None
        self._last: dict[int, Future[None]] = {}
        self._pending: list[Future[None]] = []

    def __enter__(self) -> "SideBySide":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            for one in self._pending:
                if kind is None:
                    one.result()

    def add_products(
        self,
        total: Float64[Tensor, "time_bin row row"],
        activity: Float[Tensor, "time_bin row unit"],
    ) -> None:
        """Add ``activity @ activity.mT`` to ``total`` soon; neither may be changed before."""
        if self._pool is None:
            self._pool = self._stack.enter_context(ThreadPoolExecutor(self._n_threads))
            self._stack.enter_context(threadpool_limits(1, user_api="blas"))
        for one, values in zip(total, activity, strict=True):
            # What was added to the same timestep comes first; pools begin in order.
            earlier = self._last.get(one.data_ptr())
            added = self._pool.submit(_add, one, values.numpy(), earlier)
            self._last[one.data_ptr()] = added
            self._pending.append(added)
        # Activity that waits is held in memory: two timesteps for each thread.
        self.wait(at_most=2 * self._n_threads)

    def wait(self, at_most: int = 0) -> None:
        """Return when at most so many products are still to be added."""
        while len(self._pending) > at_most:
            self._pending.pop(0).result()


def _add(total: Tensor, values: np.ndarray, earlier: Future[None] | None) -> None:
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is found later
        products = values @ values.T
    if earlier is not None:
        earlier.result()
    total += torch.from_numpy(products)
