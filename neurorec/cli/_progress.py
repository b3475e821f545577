"""One progress bar on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stage(title: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """A bar for one stage; yields ``update(completed, note)``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, note="")
        yield lambda completed, note: progress.update(task, completed=completed, note=note)


@contextmanager
def counting(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar for one stage; yields ``advance(n)``."""
    with stage(title, total=total) as bar:
        done = 0

        def advance(n: int) -> None:
            nonlocal done
            done += n
            bar(done, "")

        yield advance


@contextmanager
def of_total(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar whose length is known when it moves; yields ``update(completed, total)``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=None)
        yield lambda completed, total: progress.update(task, completed=completed, total=total)
