"""From a readout of any kind to one function that predicts held-out rows."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import KFold
from torch import Tensor

from neurorec.encoding.factorised import Factorised
from neurorec.encoding.grid import grid_shape
from neurorec.encoding.readout import BandedReadout, Prediction, SampleSpaceReadout
from neurorec.encoding.sheets import Sheet
from neurorec.populations.reading import Population

#: Function of (sheet, responses, train, test).
Predict = Callable[[Sheet, Tensor, np.ndarray, np.ndarray], Prediction]

# Folds within the training stimuli, for readouts that do not say how well they predict.
_INNER: Final = KFold(3, shuffle=True, random_state=0)


def needs_features(readout: Any) -> bool:
    """Whether inner products are not enough."""
    return not isinstance(readout, SampleSpaceReadout | BandedReadout)


def predictor(readout: Any, populations: Mapping[str, Population]) -> Predict:
    """Function that fits ``readout`` on training stimuli and predicts held-out rows.

    A factorised readout without a shape has that of the area's channels, rows and columns.

    Raises
    ------
    TypeError
        If ``readout`` is no regressor.
    ValueError
        If it is to find channels and positions in several areas, or in none.
    """
    _require_regressor(readout)
    if isinstance(readout, BandedReadout):
        return lambda sheet, y, train, test: readout.predict_from_grams(
            _grams(sheet), y, train, test
        )
    if isinstance(readout, SampleSpaceReadout):
        return lambda sheet, y, train, test: _in_sample_space(readout, sheet, y, train, test)
    order = slice(None)
    if isinstance(readout, Factorised) and readout.shape is None:
        readout, order = _laid_out(readout, populations)
    return lambda sheet, y, train, test: _of_estimator(readout, sheet, order, y, train, test)


def training_error(
    predict: Predict,
    sheet: Sheet,
    responses: Float[Tensor, "stimulus neuroid time_bin"],
    train: np.ndarray,
) -> Float[Tensor, "neuroid time_bin"]:
    """Mean squared error on training stimuli of fits to the others, in three folds."""
    total = torch.zeros_like(responses[0])
    for fitted, left_out in _INNER.split(train):
        rows = train[left_out]
        predicted = predict(sheet, responses, train[fitted], rows).held_out
        total += (predicted - responses[rows]).square().sum(dim=0)
    return total / len(train)


def _require_regressor(readout: Any) -> None:
    is_regressor = isinstance(readout, BaseEstimator) and hasattr(readout, "predict")
    if not isinstance(readout, BandedReadout | SampleSpaceReadout) and not is_regressor:
        raise TypeError(
            "readout must be a readout of neurorec.encoding or a scikit-learn regressor, got "
            f"{readout!r}"
        )
    if isinstance(readout, type):
        raise TypeError(f"readout is a class; give one of its kind: {readout.__name__}()")


def _grams(sheet: Sheet) -> Tensor:
    if sheet.grams is not None:
        return sheet.grams
    assert sheet.features is not None
    return (sheet.features @ sheet.features.mT)[None]


def _in_sample_space(
    readout: SampleSpaceReadout, sheet: Sheet, y: Tensor, train: np.ndarray, test: np.ndarray
) -> Prediction:
    if sheet.grams is None:
        assert sheet.features is not None
        return readout.predict_from_features(sheet.features, y, train, test)
    gram = sheet.grams[0] if len(sheet.grams) == 1 else sheet.grams.sum(dim=0)
    return readout.predict_from_gram(gram, y, train, test)


def _laid_out(
    readout: Factorised, populations: Mapping[str, Population]
) -> tuple[Factorised, np.ndarray]:
    """The readout with the shape of the only area, and where its units are in that order."""
    if len(populations) > 1:
        raise ValueError(
            f"a factorised readout sees one area, got {list(populations)}; fit each alone"
        )
    (population,) = populations.values()
    shape, order = grid_shape(population.units())
    shaped: Any = clone(readout)
    return shaped.set_params(shape=shape), order


def _of_estimator(
    readout: BaseEstimator,
    sheet: Sheet,
    order: slice | np.ndarray,
    y: Tensor,
    train: np.ndarray,
    test: np.ndarray,
) -> Prediction:
    """A fresh copy of the estimator for each time bin."""
    assert sheet.features is not None
    x, responses = sheet.features.cpu().numpy()[:, order], y.cpu().numpy()
    columns = []
    for b in range(responses.shape[2]):
        fresh: Any = clone(readout)
        fitted = fresh.fit(x[train], responses[train][:, :, b])
        columns.append(np.asarray(fitted.predict(x[test])).reshape(len(test), -1))
    return Prediction(torch.from_numpy(np.stack(columns, axis=2)).to(y))
