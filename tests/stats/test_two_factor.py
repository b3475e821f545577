"""Variance over two factors: crossed normal effects, bounds, rsatoolbox, input."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.stats import two_factor_variance


def test_known_answer():
    """The mean of a crossed design: its bootstrap variances have closed forms.

    With variances s of subjects, c of stimuli and e of single measurements, n subjects and m
    stimuli, the expected variances of bootstraps are those of sampling times (n - 1) / n and
    (m - 1) / m, and the combination gives back s / n + c / m + e / (n m).
    """
    s, c, e, n, m = 2.0, 3.0, 5.0, 6, 9
    shrunk_n, shrunk_m = (n - 1) / n, (m - 1) / m
    subjects = shrunk_n * (s / n + e / (n * m))
    stimuli = shrunk_m * (c / m + e / (n * m))
    # Both at once: each factor's own part, and the interaction as products of two multinomials.
    interaction = shrunk_n * shrunk_m * e / (n * m)
    both = subjects + stimuli + interaction
    ours = two_factor_variance(
        *(np.array([v]) for v in (both, subjects, stimuli)), n_first=n, n_second=m
    )
    np.testing.assert_allclose(ours, s / n + c / m + e / (n * m), rtol=1e-12)


@pytest.mark.slow
def test_crossed_design_by_simulation(rng):
    """Mean of estimates over 400 designs against the true variance of the mean."""
    n, m, n_draws = 8, 12, 200
    s, c, e = 1.0, 2.0, 4.0
    estimates = []
    for _ in range(400):
        values = rng.normal(0, s**0.5, (n, 1)) + rng.normal(0, c**0.5, m)
        values = values + rng.normal(0, e**0.5, (n, m))
        u = rng.multinomial(n, np.full(n, 1 / n), n_draws) / n
        w = rng.multinomial(m, np.full(m, 1 / m), n_draws) / m
        kinds = np.einsum("dn,nm,dm->d", u, values, w), u @ values.mean(1), w @ values.mean(0)
        variances = (np.array(k.var(ddof=1)) for k in kinds)
        estimates.append(two_factor_variance(*variances, n_first=n, n_second=m))
    # A variance of about 10 degrees of freedom scatters by 45 %, its mean over 400 by 2.2 %.
    assert np.mean(estimates) == pytest.approx(s / n + c / m + e / (n * m), rel=0.09)


@settings(max_examples=50, deadline=None)
@given(
    values=st.tuples(*[st.floats(0, 10)] * 3),
    n_first=st.integers(2, 50),
    n_second=st.integers(2, 50),
)
def test_bounds_and_rsatoolbox(values, n_first, n_second):
    pytest.importorskip("rsatoolbox")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.util.inference_util import _dual_bootstrap

    both, first, second = (np.array([v]) for v in values)
    ours = two_factor_variance(both, first, second, n_first=n_first, n_second=n_second)
    theirs = _dual_bootstrap(np.array(values)[:, None], n_first, n_second)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert (ours <= both).all()
    swapped = two_factor_variance(both, second, first, n_first=n_second, n_second=n_first)
    np.testing.assert_allclose(ours, swapped, rtol=1e-12)


def test_large_samples():
    """Twice the sum of the variances over one, less that over both."""
    ours = two_factor_variance(
        np.array([1.0]), np.array([0.3]), np.array([0.4]), n_first=10**8, n_second=10**8
    )
    np.testing.assert_allclose(ours, 2 * (0.3 + 0.4) - 1.0, atol=1e-6)


def test_one_member():
    with pytest.raises(ValueError, match="at least 2 members of each, got 1 and 5"):
        two_factor_variance(np.ones(1), np.ones(1), np.ones(1), n_first=1, n_second=5)
