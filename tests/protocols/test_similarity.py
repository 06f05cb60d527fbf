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
