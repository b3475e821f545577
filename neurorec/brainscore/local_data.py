"""Data sets that neurorec knows, by name or in memory."""

from neurorec import datasets
from neurorec.datasets.neural_data import NeuralData


def loaded(data: str | NeuralData, session: str | None) -> NeuralData:
    """The data set of a name, or one that is loaded.

    Raises
    ------
    ValueError
        If there is none of that name, or a session is asked of one that is loaded.
    """
    if isinstance(data, str):
        return datasets.load(data, **({} if session is None else {"session": session}))
    if session is not None:
        raise ValueError(f"session={session!r} was given for a data set that is loaded already")
    return data


def name_and_session(text: str) -> tuple[str, str | None]:
    """Of ``DATASET[@SESSION]``.

    Raises
    ------
    ValueError
        If one of them is empty.
    """
    name, at, session = text.partition("@")
    if not name or (at and not session):
        raise ValueError(
            f"data are named DATASET[@SESSION], such as cowley-2023@210325, got {text!r}"
        )
    return name, session or None
