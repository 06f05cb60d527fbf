from __future__ import annotations

import numpy as np
import pytest

from pytest_mieb.protocols.similarity import cosine, normalised


def test_rows_get_length_one_and_a_row_of_zeros_stays_zero() -> None:
    rows = normalised(np.array([[3, 4], [0, 0], [0, -2]], dtype=np.float32))
    assert rows.tolist() == [pytest.approx([3 / 5, 4 / 5]), [0, 0], [0, -1]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_similarity_is_float32_whatever_the_model_gives(dtype: type) -> None:
    similarity = cosine(np.eye(2, dtype=dtype), np.eye(2, dtype=dtype))
    assert similarity.dtype == np.float32


def test_cosine_is_of_every_row_with_every_row() -> None:
    similarity = cosine(np.array([[2, 0], [1, 1]], np.float32), np.array([[5, 0], [0, 1], [-1, 0]], np.float32))
    half = 1 / np.sqrt(2)
    np.testing.assert_allclose(similarity, [[1, 0, -1], [half, half, -half]], rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 5, 7, 100])
def test_equal_embeddings_get_equal_cosines_with_any_number_of_threads(rows: int) -> None:
    import torch

    random = np.random.default_rng(0)
    first, second = (random.standard_normal((n, 100), dtype=np.float32) for n in (rows, 13))
    second[4:] = second[0]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = cosine(first, second)
        torch.set_num_threads(2)
        assert np.array_equal(cosine(first, second), alone)
    finally:
        torch.set_num_threads(before)
    assert (alone[:, 4:] == alone[:, :1]).all()
