"""Brain-Score's data under the same roof as ours."""

from typing import Any

from neurorec.datasets.neural_data import NeuralData


def from_brainscore(identifier: str, **options: Any) -> NeuralData:
    """Recordings and stimuli of Brain-Score, such as ``"MajajHong2015.public"``.

    This is :func:`neurorec.brainscore.load_data`, which has the options and says what can go wrong.

    Raises
    ------
    ImportError
        If brainscore-vision is not installed.
    """
    # The one import that points up, named in pyproject.toml: data sets are looked for here, and
    # only neurorec.brainscore may touch Brain-Score.
    from neurorec.brainscore.data import load_data

    return load_data(identifier, **options)
