"""Our PCA, compared with scikit-learn's on the same rows."""

import numpy as np
import pytest
from pyspark.ml import Pipeline
from pyspark.sql import DataFrame, SparkSession
from sklearn.decomposition import PCA

from catalog.errors import RunError
from transforms.covariance import Part, merge
from transforms.pca import VariancePCA, components_for

SCHEMA = "id int, features array<float>"


def frame(spark: SparkSession, rows: np.ndarray, partitions: int) -> DataFrame:
    listed = [(i, row.tolist()) for i, row in enumerate(rows)]
    return spark.createDataFrame(listed, SCHEMA).repartition(partitions)


def vectors(out: DataFrame) -> np.ndarray:
    return np.array([r.vector for r in out.orderBy("id").select("vector").collect()])


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """600 correlated rows of 40 numbers, far from zero, so that naive sums would lose precision."""
    rng = np.random.default_rng(7)
    spread = rng.normal(size=(600, 12)) @ rng.normal(size=(12, 40)) * np.linspace(2, 0.05, 40)
    return (spread + 300).astype(np.float32)


@pytest.mark.parametrize("variance", [0.5, 0.9, 0.999])
def test_agrees_with_scikit_learn(spark: SparkSession, rows: np.ndarray, variance: float) -> None:
    theirs = PCA(n_components=variance, svd_solver="full").fit(rows.astype(np.float64))
    data = frame(spark, rows, 21)  # more partitions than one merge combines, so the tree has two levels
    ours = VariancePCA(variance=variance).fit(data)
    assert ours.k == theirs.n_components_
    np.testing.assert_allclose(ours.eigenvalues[: ours.k], theirs.explained_variance_, rtol=1e-6)
    signs = np.sign((ours.components * theirs.components_).sum(axis=1))[:, None]
    np.testing.assert_allclose(ours.components, theirs.components_ * signs, atol=1e-6)
    expected = theirs.transform(rows.astype(np.float64)) * signs.T
    np.testing.assert_allclose(vectors(ours.transform(data)), expected, atol=1e-6 * np.abs(expected).max())


def test_two_fits_agree_in_sign_whatever_the_partitioning(spark: SparkSession, rows: np.ndarray) -> None:
    first, second = (VariancePCA(variance=0.9).fit(frame(spark, rows, n)) for n in (1, 5))
    np.testing.assert_allclose(first.components, second.components, atol=1e-9)
    largest = np.abs(first.components).argmax(axis=1)
    assert (first.components[np.arange(first.k), largest] > 0).all()


def test_it_is_a_stage_of_a_pipeline(spark: SparkSession, rows: np.ndarray) -> None:
    data = frame(spark, rows, 3)
    fitted = Pipeline(stages=[VariancePCA(variance=0.8)]).fit(data)
    alone = VariancePCA(variance=0.8).fit(data)
    np.testing.assert_array_equal(vectors(fitted.transform(data)), vectors(alone.transform(data)))


def test_transform_keeps_the_other_columns_and_empty_frames(spark: SparkSession, rows: np.ndarray) -> None:
    data = frame(spark, rows[:50], 2)
    model = VariancePCA().fit(data)
    assert model.transform(data).columns == ["id", "features", "vector"]
    assert model.transform(data.where("id < 0")).count() == 0


def test_no_rows_is_an_error_that_says_what_to_do(spark: SparkSession) -> None:
    with pytest.raises(RunError, match="run the silver layer first"):
        VariancePCA().fit(spark.createDataFrame([], SCHEMA))


@pytest.mark.parametrize("count", [1, 3])
def test_photos_that_do_not_differ_keep_one_component(spark: SparkSession, count: int) -> None:
    model = VariancePCA().fit(frame(spark, np.ones((count, 8)), 2))
    assert model.k == 1
    assert not model.eigenvalues.any()


@pytest.mark.parametrize(("variance", "k"), [(0.5, 1), (0.500001, 2), (0.75, 2), (0.76, 3), (1.0, 4)])
def test_k_is_the_smallest_that_reaches_the_target(variance: float, k: int) -> None:
    assert components_for(np.array([4.0, 2.0, 1.0, 1.0]), variance) == k


def test_merged_parts_have_the_moments_of_all_rows() -> None:
    rows = np.random.default_rng(1).normal(size=(9, 3)) + 1e6

    def part(some: np.ndarray) -> Part:
        centred = some - some.mean(axis=0)
        return Part(len(some), some.mean(axis=0), (centred.T @ centred)[np.triu_indices(3)])

    merged = merge(part(rows[a:b]) for a, b in ((0, 1), (1, 5), (5, 9)))
    assert merged is not None
    assert merged.n == 9
    np.testing.assert_allclose(merged.mean, rows.mean(axis=0))
    np.testing.assert_allclose(merged.scatter, part(rows).scatter, rtol=1e-6)
    assert merge([]) is None
