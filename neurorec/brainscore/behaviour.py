"""Answers of a model: labels, probabilities and the odd one out, from what it shows at one time.

Each is a pure function of activity; they give the numbers of brainscore_vision's own
``LabelBehavior``, ``ProbabilitiesMapping`` and ``OddOneOut`` from the same activity.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from neurorec._checks import check_option

#: What ``labels`` of a model with ImageNet's 1000 classes in their usual order is.
IMAGENET: Final = "imagenet"

Features = Float[np.ndarray, "presentation feature"]

#: From probabilities of the classes that share a label to that of the label.
AGGREGATIONS: Final[Mapping[str, Callable[..., np.ndarray]]] = MappingProxyType(
    {"mean": np.mean, "max": np.max}
)


def dot_products(features: Features) -> Float[np.ndarray, "presentation presentation"]:
    """Inner products of the presentations."""
    return features @ features.T


def cosines(features: Features) -> Float[np.ndarray, "presentation presentation"]:
    """Cosines of the angles between presentations; 0 with one that evokes nothing."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return dot_products(features / np.where(norms == 0, 1, norms))


#: Similarity of presentations, from which the odd one out follows.
SIMILARITIES: Final[Mapping[str, Callable[..., np.ndarray]]] = MappingProxyType(
    {"dot": dot_products, "cosine": cosines}
)


@final
@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What a model answers from, and when.

    Parameters
    ----------
    areas
        Areas that are read out for probabilities and the odd one out; the last to be evaluated if
        left out.
    time_bin_ms
        Start and end of the time, in ms from stimulus onset, over which activity and logits are
        averaged; the last timestep if left out.
    labels
        Names of the classes of the model's logits, in order. Classes may share one. With
        ``"imagenet"`` they are ImageNet's 1000 in their usual order.
    strength
        ``C`` of the logistic readout of standardised activity: its inverse regularisation.
    similarity
        ``"dot"`` or ``"cosine"``.

    Raises
    ------
    ValueError
        If the strength is not positive or the similarity unknown.
    """

    areas: Sequence[str] | None = None
    time_bin_ms: tuple[float | int, float | int] | None = None
    labels: Sequence[str] | str | None = None
    strength: float = 1e-3
    similarity: str = "dot"

    def __post_init__(self) -> None:
        check_option("similarity", self.similarity, SIMILARITIES)
        if not self.strength > 0:
            raise ValueError(f"strength must be above 0, got {self.strength}")


@final
class LogisticReadout:
    r"""Probabilities of labels by regularised multinomial logistic regression.

    Features are standardised by the fitting stimuli; with weights :math:`w_k` of label :math:`k`

    .. math::

        \min_{w, b} \tfrac{1}{2} \sum_k \lVert w_k \rVert^2
        + C \sum_i -\log p(y_i \mid x_i)

    Of more features than stimuli only their projections on the space of the fitting stimuli
    matter, and these are fitted: the same minimum, at a cost that does not grow with features.

    Parameters
    ----------
    features, labels
        Of the fitting stimuli.
    strength
        :math:`C`.

    Raises
    ------
    ValueError
        If there are fewer than two labels.
    """

    def __init__(self, features: Features, labels: Sequence[Any], *, strength: float) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        # In the order in which they come, as Brain-Score's.
        self.labels = list(dict.fromkeys(labels))
        if len(self.labels) < 2:
            raise ValueError(
                f"a readout of probabilities needs at least 2 labels, the fitting stimuli have "
                f"{self.labels}"
            )
        numbers = [self.labels.index(label) for label in labels]
        self._scaler = StandardScaler().fit(features)
        standardised = np.asarray(self._scaler.transform(features))
        self._basis = _row_space(standardised)
        # scikit-learn fits two labels with one vector, w_1 - w_0, of which the multinomial penalty
        # is half: as with twice the strength.
        halves = 2 if len(self.labels) == 2 else 1
        self._classifier = LogisticRegression(C=strength * halves, solver="newton-cg")
        self._classifier.fit(self._projected(standardised), numbers)

    def probabilities(self, features: Features) -> Float[np.ndarray, "presentation label"]:
        """Of each of ``labels``, for every presentation."""
        standardised = np.asarray(self._scaler.transform(features))
        return self._classifier.predict_proba(self._projected(standardised))

    def _projected(self, standardised: Features) -> Float[np.ndarray, "presentation component"]:
        return standardised if self._basis is None else standardised @ self._basis


def _row_space(x: Features) -> Float[np.ndarray, "feature component"] | None:
    """Orthonormal basis of the rows of ``x``; None where there are no fewer than features."""
    n, n_features = x.shape
    if n >= n_features:
        return None
    values, vectors = np.linalg.eigh(x @ x.T)
    kept = values > values[-1] * n * np.finfo(float).eps
    return x.T @ (vectors[:, kept] / np.sqrt(values[kept]))


def chosen_labels(
    logits: Float[np.ndarray, "presentation class"],
    members: Mapping[str, Sequence[int]],
    aggregate: Callable[..., np.ndarray],
) -> list[str]:
    """The label of the highest probability, which is that of its ``members`` aggregated."""
    probabilities = softmax(logits, axis=1)
    of_label = [aggregate(probabilities[:, list(found)], axis=1) for found in members.values()]
    names = list(members)
    return [names[i] for i in np.argmax(of_label, axis=0)]


def members_of(choices: Sequence[str], labels: Sequence[str] | str) -> dict[str, list[int]]:
    """Classes of each label among ``choices``, for a model whose classes have ``labels``.

    Raises
    ------
    ValueError
        If the model has no class of a label.
    """
    find = _imagenet_members if labels == IMAGENET else _named_members
    found = {choice: find(choice, labels) for choice in choices}
    missing = [choice for choice, classes in found.items() if not classes]
    if missing:
        raise ValueError(
            f"the task asks to choose among {_listed(choices)}, but the model has no class for "
            f"{_listed(missing)}; its labels are {_listed(labels)}"
        )
    return found


def _named_members(choice: str, labels: Sequence[str] | str) -> list[int]:
    return [number for number, label in enumerate(labels) if label == choice]


def _imagenet_members(choice: str, _: Sequence[str] | str) -> list[int]:
    from brainscore_vision.model_helpers.brain_transformation.behavior import LabelToImagenetIndices

    try:
        return list(LabelToImagenetIndices.label_to_indices(choice))
    except AttributeError:
        return []


def _listed(labels: Sequence[str] | str) -> str:
    """Labels in a message, no more than ten."""
    if isinstance(labels, str):
        return f"those of {labels}"
    shown = ", ".join(map(repr, labels[:10]))
    return f"[{shown}]" if len(labels) <= 10 else f"[{shown}, …, {len(labels)} in all]"


def imagenet_synsets() -> list[str]:
    """WordNet's names of ImageNet's 1000 classes, in their usual order."""
    from pathlib import Path

    from brainscore_vision.model_helpers.brain_transformation import behavior

    return (Path(behavior.__file__).parent / "imagenet_classes.txt").read_text().splitlines()


def odd_ones_out(
    similarities: Float[np.ndarray, "presentation presentation"],
    triplets: np.ndarray,
) -> list[int]:
    """Of each triplet (numbers of presentations), the one that the closest pair leaves out."""
    i, j, k = triplets.T
    pairs = np.stack([similarities[i, j], similarities[i, k], similarities[j, k]])
    # The pair found at place p leaves out the member 2 - p.
    left_out = 2 - np.argmax(pairs, axis=0)
    return triplets[np.arange(len(triplets)), left_out].tolist()
