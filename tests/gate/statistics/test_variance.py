"""Variances of dependent and of crossed samples."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.statistics.variance import clustered, crossed, crossed_tail, repeated


def test_values_are_weighted_by_subset_and_summed_by_cluster() -> None:
    examples = {"en": Examples(np.zeros(2), clusters=np.array([7, 3])), "no": Examples(np.zeros(1))}
    values = {"en": np.array([1.0, 0.0]), "no": np.array([0.5])}
    table = clustered(values, examples)
    assert sorted(table.raw[:, 0].tolist()) == [0, 0.25, 0.25]
    assert table.raw.sum() == pytest.approx((0.5 + 0.5) / 2)
    examples["no"] = Examples(np.zeros(1), clusters=np.array([3]))
    assert clustered(values, examples).raw[:, 0].tolist() == [0.25, 0.25]
    assert clustered(values, examples).centred[:, 0].tolist() == [-0.125, 0.125]


def test_subsets_with_different_draws_do_not_add_up() -> None:
    values = {"a": np.zeros((3, 2)), "b": np.zeros((3, 5))}
    with pytest.raises(ValueError, match="same number of training draws"):
        clustered(values, {name: Examples(each) for name, each in values.items()})


def test_one_column_is_the_error_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=50)
    found = crossed(((values - values.mean()) / 50)[:, None])
    assert found == pytest.approx((values.var(ddof=1) / 50, 49, values.var(ddof=1) / 50, 0))


def test_rows_and_columns_are_the_mean_squares_of_two_way_random_effects() -> None:
    rng = np.random.default_rng(1)
    n, e = 40, 5
    cells = rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=(1, e)) + rng.normal(size=(n, e))
    grand = cells.mean()
    rows, columns = cells.mean(axis=1) - grand, cells.mean(axis=0) - grand
    of_rows, of_columns = e * (rows**2).sum() / (n - 1), n * (columns**2).sum() / (e - 1)
    of_error = ((cells - grand - rows[:, None] - columns) ** 2).sum() / ((n - 1) * (e - 1))
    found = crossed((cells - grand) / n)
    assert found.variance == pytest.approx((of_rows + of_columns - of_error) / (n * e))
    assert found.rows == pytest.approx((of_rows - of_error) / (n * e))
    assert found.columns == pytest.approx(of_columns / (n * e))
    assert e - 1 < found.freedom < n - 1


def test_the_variance_is_what_drawing_anew_shows() -> None:
    rng = np.random.default_rng(2)
    means, variances = [], []
    for _ in range(2000):
        cells = rng.normal(size=(30, 1)) + 0.5 * rng.normal(size=(1, 5)) + rng.normal(size=(30, 5))
        means.append(cells.mean())
        variances.append(crossed((cells - cells.mean()) / 30).variance)
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.12)  # 3 % Monte-Carlo error; never below the rows'


def test_few_rows_and_few_columns_add_up_each_by_itself() -> None:
    table = np.random.default_rng(1).normal(size=(12, 4))
    table -= table.mean()
    found = repeated(table)
    of_rows = 12 * table.mean(axis=1).var(ddof=1)
    of_columns = table.sum(axis=0).var(ddof=1) / 4
    assert found == pytest.approx((of_rows + of_columns, found.freedom, of_rows, of_columns))
    assert 3 < found.freedom < 14
    assert repeated(table[:, :1] - table[:, 0].mean()).columns == 0
    assert repeated(np.zeros((3, 3))) == (0, 1, 0, 0)


def test_few_rows_have_students_tail() -> None:
    from scipy.stats import norm, t

    assert crossed_tail(3.0, 1.0, 0.0, 5) == pytest.approx(norm.sf(3), rel=1e-6)
    assert crossed_tail(3.0, 1.0, 0.0, 5, 10) == pytest.approx(t.sf(3, 9), rel=1e-6)
    assert crossed_tail(-3.0, 1.0, 0.0, 5, 10) == pytest.approx(t.cdf(3, 9), rel=1e-6)


def test_columns_that_do_not_differ_leave_the_rows_variance() -> None:
    values = np.random.default_rng(0).normal(size=30)
    table = np.repeat(((values - values.mean()) / 30)[:, None], 5, axis=1)
    assert crossed(table)[:2] == pytest.approx((values.var(ddof=1) / 30, 29))


def test_draws_that_agree_by_luck_take_nothing_from_the_rows() -> None:
    cells = np.random.default_rng(0).normal(size=(30, 5))
    cells -= cells.mean(axis=0)
    rows = cells.mean(axis=1)
    assert crossed(cells / 30).variance == pytest.approx(rows.var(ddof=1) / 30)


def test_examples_without_a_cluster_are_their_own_in_every_subset() -> None:
    examples = {name: Examples(np.zeros(2)) for name in "ab"} | {"c": Examples(np.zeros(2), clusters=np.array([0, 0]))}
    assert clustered({name: np.ones(2) for name in "abc"}, examples).raw.shape == (5, 1)


def test_one_row_has_no_spread() -> None:
    assert crossed(np.zeros((1, 5))).variance == 0


@pytest.mark.parametrize("t", [-2.0, 0.0, 0.5, 3.0, 8.0])
def test_the_tail_is_the_normals_without_columns_and_students_without_rows(t: float) -> None:
    from scipy.stats import norm
    from scipy.stats import t as student

    assert crossed_tail(t, 1.0, 0.0, 5) == pytest.approx(norm.sf(t), rel=1e-6)
    assert crossed_tail(t, 0.0, 1.0, 5) == pytest.approx(student.sf(t, 4), rel=1e-6)
    assert crossed_tail(2 * t, 4.0, 0.0, 5) == pytest.approx(norm.sf(t), rel=1e-6)


@pytest.mark.parametrize("columns", [0.1, 1.0, 10.0])
def test_the_tail_never_promises_too_much(columns: float) -> None:
    from scipy.stats import norm
    from scipy.stats import t as student

    level = 4e-4
    # Draws' mean square: columns times chi-square with 4 degrees of freedom over 4. Chance of an estimate that large.
    squares = columns * np.random.default_rng(3).chisquare(4, 100_000) / 4
    critical = np.sqrt(norm.isf(level) ** 2 + squares * student.isf(level, 4) ** 2)
    assert crossed_tail(float(critical[0]), 1.0, float(squares[0]), 5) == pytest.approx(level, rel=1e-6)
    assert norm.sf(critical / np.sqrt(1 + columns)).mean() <= 1.02 * level
