"""Items for users, for histories, and like others, of every backbone."""
import artifacts
import mgqe
import numpy as np
import pytest
from conftest import ITEMS, STORED, USERS

BY_NAME = {path.parent.name: path for path in STORED}


def stored(kind):
    names = [name for name in BY_NAME if name.startswith(kind)]
    assert names
    return [pytest.param(BY_NAME[name], id=name) for name in names]


def ordered(scores, k):
    """Rows of the k best, by falling score, then by rising row."""
    return np.lexsort((np.arange(scores.size), -scores))[:k]


def test_users_of_gmf_get_the_best_dot_products(model, decoded):
    users = [4, 0, USERS - 1]
    vectors = model.vectors(users=users)
    assert np.array_equal(vectors, decoded["user"][users])  # weights of one
    result = model.recommend(users=users, k=12, block=[3, 1], block_each=[None, range(50), [9]])
    expected = model.top_k(vectors, 12, block=[1, 3], block_each=[None, range(50), [9]])
    for got, wanted in zip(result, expected):
        assert np.array_equal(got, wanted)
    assert np.array_equal(result.ids(), 7 * result.rows.astype(np.int64) + 1000)
    by_id = model.recommend(users=model.ids_of(users, "user"), by="id", k=12)
    assert np.array_equal(by_id.rows, model.recommend(users=users, k=12, threads=2).rows)
    one = model.recommend(users=4, k=12)
    assert np.array_equal(one.rows, by_id.rows[0]) and one.counts == 12
    assert np.array_equal(model.vectors(users=4), vectors[0])
    assert model.recommend(users=[], k=3).rows.shape == (0, 3)


def test_short_lists_say_so(model):
    result = model.recommend(users=[1], k=5, allow=[70, 8])
    assert result.counts.tolist() == [2] and sorted(result.rows[0, :2]) == [8, 70]
    assert result.rows[0, 2:].tolist() == [-1] * 3 and np.isneginf(result.scores[0, 2:]).all()
    assert result.ids()[0, 2:].tolist() == [-1] * 3


def test_texts_as_ids(texts_path):
    with mgqe.open(texts_path) as model:
        result = model.recommend(users="u7", by="id", k=4, block=[0])
        assert np.array_equal(result.rows, model.recommend(users=7, k=4, block=[0]).rows)
        assert result.ids().tolist() == [f"film {r * 37 % ITEMS} – ü" for r in result.rows]
        similar = model.similar("film 37 – ü", k=3, given="id")
        assert np.array_equal(similar.rows, model.similar(1, k=3).rows)


def test_questions_that_are_none(model):
    for bad, line in [({}, "give users or histories"),
                      ({"users": [1], "histories": [[1]]}, "give users or histories"),
                      ({"users": [USERS]}, "user row 90"), ({"users": [-1]}, "user row -1"),
                      ({"users": [[1]]}, "users have shape"), ({"users": [1], "by": "name"}, "by is"),
                      ({"users": [1], "missing": "zeros"}, "missing is"),
                      ({"users": [2**33]}, "beyond int32")]:
        with pytest.raises(mgqe.InvalidArgument, match=line):
            model.recommend(**bad)
    with pytest.raises(mgqe.NotFound, match="no user has the id 17"):
        model.recommend(users=[5_000_000_000, 17], by="id")


@pytest.mark.parametrize("path", stored("sasrec"))
def test_histories(path):
    with mgqe.open(path) as model:
        assert model.max_length > 0
        histories = [[3, 1, 4], [1], list(range(20))]
        vectors = model.vectors(histories=histories)
        for m, history in enumerate(histories):  # in every form
            assert np.array_equal(model.vectors(histories=history), vectors[m])
            assert np.array_equal(model.vectors(histories=np.array(history)), vectors[m])
        flat, ends = np.concatenate(histories), np.cumsum([0] + [len(h) for h in histories])
        assert np.array_equal(model.vectors(histories=flat, offsets=ends), vectors)
        assert np.array_equal(model.vectors(histories=np.array([[3, 1, 4]])), vectors[:1])
        latest = histories[2][-model.max_length:]
        assert np.array_equal(model.vectors(histories=latest), vectors[2])
        result = model.recommend(histories=histories, k=5, block_each=histories)
        for m, history in enumerate(histories):
            scores = model.scores(vectors[m])
            scores[history] = -np.inf
            assert np.array_equal(result.rows[m], ordered(scores, 5))
        ids = [model.ids_of(history) for history in histories]
        assert np.array_equal(model.vectors(histories=ids, by="id"), vectors)
        stranger = [[*ids[0].tolist(), 10**12], ids[1], ids[2]]
        assert np.array_equal(model.vectors(histories=stranger, by="id", missing="drop"), vectors)
        with pytest.raises(mgqe.NotFound, match="no item has the id 1000000000000"):
            model.vectors(histories=stranger, by="id")
        for bad in ([[1], []], [[-1]], [[50]]):
            with pytest.raises(mgqe.InvalidArgument, match="history|item row"):
                model.recommend(histories=bad)
        for offsets in ([0, 3], [1, 24], [0, 5, 4, 24], [[0, 24]], []):
            with pytest.raises(mgqe.InvalidArgument, match="offsets"):
                model.recommend(histories=flat, offsets=offsets)


@pytest.mark.parametrize("path", stored("neumf"))
def test_scores_that_are_no_dot_products(path):
    with mgqe.open(path) as model:
        exact = model.recommend(users=[3, 0], k=50)
        assert exact.counts.tolist() == [50, 50]
        assert (np.diff(exact.scores) <= 0).all()
        widest = model.recommend(users=[3, 0], k=50, shortlist=50)
        assert np.array_equal(widest.rows, exact.rows) and np.array_equal(widest.scores, exact.scores)


@pytest.mark.parametrize("path", stored(""))
def test_items_like_others(path):
    tables = artifacts.read_tables(path)
    with mgqe.open(path) as model:
        table = model.metadata["item_table"]
        rows = artifacts.decode(*tables[table]).astype(np.float64)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        for by, vectors in (("cosine", rows / np.where(norms > 0, norms, 1)), ("dot", rows)):
            wanted = vectors @ vectors.T
            result = model.similar([5, 0], k=8, by=by)
            single = model.similar(5, k=8, by=by)
            assert np.array_equal(single.rows, result.rows[0])
            # f32 sums of dim products and three more roundings, in scores of at most their largest
            tolerance = (rows.shape[1] + 6) * 2**-24 * np.abs(wanted).max()
            for m, item in enumerate([5, 0]):
                assert item not in result.rows[m] and len(set(result.rows[m])) == 8
                assert np.allclose(result.scores[m], wanted[item][result.rows[m]], 0, tolerance)
                others = np.delete(wanted[item], [item, *result.rows[m]])
                assert others.max() <= result.scores[m].min() + tolerance
        with pytest.raises(mgqe.InvalidArgument, match="by is one of model, cosine, dot"):
            model.similar([5], by="score")
        with pytest.raises(mgqe.InvalidArgument, match="item row"):
            model.similar([len(rows)])


def test_relevance_models_score_pairs(path):
    relevance = BY_NAME["relevance-dpq-sx"]
    with mgqe.open(relevance) as model:
        result = model.similar([2, 9], k=49, by="model")
        assert result.counts.tolist() == [49, 49] and (np.diff(result.scores) <= 0).all()
        assert sorted(result.rows[0]) == [r for r in range(50) if r != 2]
        arrays, _ = artifacts.read(relevance)
        rows = artifacts.decode(*artifacts.read_tables(relevance)["item"]).astype(np.float64)
        *weights, bias = arrays["gmf.weights"].astype(np.float64)
        biases = arrays["relevance.biases"].astype(np.float64)
        expected = (rows * rows[2]) @ weights + bias + biases + biases[2] + arrays["relevance.mean"]
        assert np.allclose(result.scores[0], expected[result.rows[0]], 0, 1e-5)
        with pytest.raises(mgqe.InvalidArgument, match="relevance"):
            model.recommend(users=[1])
    with mgqe.open(path) as ranking:
        with pytest.raises(mgqe.InvalidArgument, match="relevance"):
            ranking.similar([1], by="model")
