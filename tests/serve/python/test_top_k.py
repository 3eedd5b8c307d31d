"""Exact top-k against a sort in float64 of independently decoded rows.

Where centroids and queries are small integers every sum is exact in any order, and ties are many: the
result is then one and no other.
"""
import artifacts
import mgqe
import numpy as np
import pytest
from conftest import DIM, ITEMS, USERS, gmf

SHAPES = [  # rows, dim, tiers, private, stages, rotated
    (1, 4, [(1, 2, 2)], False, 1, False),
    (1500, 16, [(100, 256, 4), (1500, 64, 4)], False, 1, False),
    (700, 32, [(10, 256, 32), (200, 100, 32), (700, 64, 32)], False, 1, False),
    (600, 24, [(50, 256, 8), (600, 16, 3)], True, 1, False),
    (400, 6, [(400, 1, 6)], False, 1, False),
    (1400, 16, [(100, 256, 4), (1400, 64, 4)], False, 2, False),
    (600, 24, [(50, 256, 8), (600, 16, 3)], True, 3, True),
]


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: "x".join(map(str, shape[:2] + shape[4:])))
def exact(request, tmp_path_factory):
    """A model of small integers, and its items in f64."""
    rows, dim, tiers, private, stages, rotated = request.param
    path = gmf(tmp_path_factory.mktemp("m") / "m", 5, rows=rows, dim=dim, tiers=tiers, private=private,
               integral=True, stages=stages, rotated=rotated)
    with mgqe.open(path) as model:
        yield model, artifacts.decode(*artifacts.read_tables(path)["item"]).astype(np.float64)


def queries_of(items, count=5):
    return np.random.default_rng(6).integers(-2, 3, (count, items.shape[1])).astype(np.float32)


def reference(items, queries, k, let_in):
    """rows (M, k), scores (M, k), counts (M); let_in: bool (M, rows)."""
    rows = np.full((len(queries), k), -1)
    scores = np.full((len(queries), k), -np.inf)
    for m, query in enumerate(queries):
        all_scores = items @ query.astype(np.float64)
        order = np.lexsort((np.arange(len(items)), -all_scores))
        best = order[let_in[m][order]][:k]
        rows[m, :len(best)], scores[m, :len(best)] = best, all_scores[best]
    return rows, scores, (rows >= 0).sum(1)


def same(result, expected):
    for got, wanted in zip(result, expected):
        assert np.array_equal(got, wanted)


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("k", [1, 7, 100, 2000])
def test_order_scores_and_counts(exact, k, prepared):
    model, items = exact
    if prepared:
        model.prepare()
    queries = queries_of(items)
    every = np.ones((len(queries), len(items)), bool)
    result = model.top_k(queries, k)
    assert (result.rows.dtype, result.scores.dtype, result.counts.dtype) == ("int32", "float32", "int64")
    same(result, reference(items, queries, k, every))
    same(model.top_k(queries.astype(np.float64), k, threads=3), result)
    for m, query in enumerate(queries):  # alone as among others
        one = model.top_k(query, k)
        same(one, (result.rows[m], result.scores[m], result.counts[m]))
        assert isinstance(one.counts, int)


def filters(random, rows):
    """The same rows, in every form that a filter may have."""
    mask = random.random(rows) < 0.4
    listed = np.flatnonzero(mask)
    shuffled = np.concatenate([listed, listed[:3]])
    random.shuffle(shuffled)
    packed = np.packbits(mask, bitorder="little")
    forms = [listed, shuffled.astype(np.int64), shuffled.tolist(), set(listed.tolist()), mask,
             packed.tobytes(), packed.data]
    return mask, forms


def test_filters_of_every_form(exact):
    model, items = exact
    random = np.random.default_rng(8)
    queries, k = queries_of(items), 20
    allowed, allow_forms = filters(random, len(items))
    blocked, block_forms = filters(random, len(items))
    each = [filters(random, len(items)) for _ in queries]
    every = np.ones((len(queries), len(items)), bool)
    for form in allow_forms:
        same(model.top_k(queries, k, allow=form), reference(items, queries, k, every & allowed))
    for form in block_forms:
        same(model.top_k(queries, k, block=form), reference(items, queries, k, every & ~blocked))
    masks = np.stack([mask for mask, _ in each])
    masks[1] = False
    for form in range(len(allow_forms)):
        block_each = [forms[form] for _, forms in each]
        block_each[1] = None
        same(model.top_k(queries, k, allow=allow_forms[form], block=block_forms[-1 - form],
                         block_each=block_each),
             reference(items, queries, k, allowed & ~blocked & ~masks))
    nobody = np.zeros_like(every)
    for nothing in ([], set(), np.zeros(len(items), bool)):
        same(model.top_k(queries, k, allow=nothing), reference(items, queries, k, nobody))
        same(model.top_k(queries, k, block=nothing), reference(items, queries, k, every))


def test_filters_that_are_none(model):
    query = np.zeros(DIM)
    for bad, line in [([ITEMS], str(ITEMS)), ([-1], "-1"), ([2**40], "beyond int32"),
                      (np.ones(ITEMS - 1, bool), "mask of 1199 rows for a table of 1200"),
                      (b"\0" * 3, "bitmap of 3 bytes"), ([[1, 2]], "one dimension")]:
        with pytest.raises(mgqe.InvalidArgument, match=line):
            model.top_k(query, allow=bad)
    with pytest.raises(mgqe.InvalidArgument, match="2 filters for 1 queries"):
        model.top_k(query, block_each=[[1], [2]])
    with pytest.raises(TypeError, match="allow must be integers"):
        model.top_k(query, allow=[0.5])


@pytest.mark.parametrize("k", [0, -3, 10_001, 2**40])
def test_k_that_is_none(model, k):
    with pytest.raises(mgqe.InvalidArgument, match=f"k is {k}: 1 to 10000 belong"):
        model.top_k(np.zeros(DIM), k)


def test_queries_that_are_none(model):
    for bad in (np.zeros(DIM - 1), np.zeros((2, 2, DIM)), np.float32(1)):
        with pytest.raises(mgqe.InvalidArgument, match="where .32,. or .M, 32. belongs"):
            model.top_k(bad)
    with pytest.raises(mgqe.InvalidArgument, match="nan|number|finite"):
        model.top_k(np.full(DIM, np.nan))
    with pytest.raises(TypeError, match="queries must be numbers"):
        model.top_k(["a"] * DIM)
    assert model.top_k(np.zeros((0, DIM)), 3).rows.shape == (0, 3)


def test_scores_of_rows(model, decoded):
    items = decoded["item"].astype(np.float64)
    random = np.random.default_rng(9)
    queries = random.standard_normal((3, DIM)).astype(np.float32)
    # A chain of `dim` fused multiply-adds rounds `dim` times.
    bound = DIM * 2**-24 * (np.abs(queries).astype(np.float64) @ np.abs(items).T)
    scores = model.scores(queries)
    assert (np.abs(scores - queries.astype(np.float64) @ items.T) <= bound).all()
    rows = random.integers(0, ITEMS, (4, 2))
    assert np.array_equal(model.scores(queries[1], rows=rows), scores[1][rows])
    assert np.array_equal(model.scores(queries, rows=rows), scores[:, rows])
    assert model.scores(queries, rows=[]).shape == (3, 0)
    best = model.top_k(queries, 50)
    assert np.array_equal(np.take_along_axis(scores, best.rows.astype(np.int64), 1), best.scores)
    order = np.lexsort((np.broadcast_to(np.arange(ITEMS), scores.shape), -scores))
    assert np.array_equal(best.rows, order[:, :50])
    with pytest.raises(mgqe.InvalidArgument, match="1200"):
        model.scores(queries[0], rows=[ITEMS])


def test_any_table_is_searched(model, decoded):
    query = decoded["item"][0]  # of the users' dimension too
    result = model.top_k(query, USERS, "user")
    scores = model.scores(query, "user")
    assert np.array_equal(result.rows, np.lexsort((np.arange(USERS), -scores)))
    assert np.array_equal(result.ids(), 5_000_000_000 - result.rows.astype(np.int64))
    with pytest.raises(mgqe.NotFound, match="no table users: the model has item, user"):
        model.top_k(query, table="users")
