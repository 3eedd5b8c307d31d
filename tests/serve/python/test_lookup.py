"""Rows, as an independent decoder has them."""
import json
import threading

import artifacts
import mgqe
import numpy as np
import pytest
from conftest import DIM, ITEMS, LONG_ID, STORED, gmf


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.parent.name)
def test_rows_of_every_scheme_are_those_of_an_independent_decoder(path):
    with mgqe.open(path, verify=True) as model:
        stored = artifacts.read_tables(path)
        assert sorted(model.tables) == sorted(stored)
        for name, (arrays, table) in stored.items():
            rows = model.lookup(np.arange(table["rows"]), name)
            expected = artifacts.decode(arrays, table)
            if table["scheme"] == "low_rank":  # `rank` products summed in f32, in any order
                bound = np.abs(arrays["factor"].astype(float)) @ np.abs(arrays["basis"].astype(float))
                assert (np.abs(rows - expected) <= 2**-24 * (table["rank"] + 1) * bound).all()
            elif table["scheme"] == "mixed_dim":
                assert np.allclose(rows, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
            else:
                assert np.array_equal(rows, expected)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("tiers,private", [
    ([(30, 1, 4), (300, 1, 4)], False), ([(300, 2, 32)], False), ([(0, 200, 1), (300, 5, 1)], False),
    ([(10, 256, 32), (11, 128, 32), (300, 3, 32)], False), ([(7, 256, 16), (300, 17, 2)], True)])
def test_every_shape_of_codes(tmp_path, tiers, private, version):
    path = gmf(tmp_path / "m", 3, rows=300, tiers=tiers, private=private, version=version)
    expected = artifacts.decode(*artifacts.read_tables(path)["item"])
    with mgqe.open(path, verify=True) as model:
        assert np.array_equal(model.lookup(np.arange(300)), expected)
        assert [tuple(tier) for tier in model.tables["item"].tiers] == tiers


@pytest.mark.parametrize("stages,rotated", [(1, True), (2, False), (3, True)])
@pytest.mark.parametrize("tiers,private", [
    ([(30, 200, 4), (300, 1, 4)], False), ([(7, 256, 16), (300, 17, 2)], True)])
def test_stages_and_rotations(tmp_path, tiers, private, stages, rotated):
    path = gmf(tmp_path / "m", 3, rows=300, tiers=tiers, private=private, stages=stages, rotated=rotated)
    expected = artifacts.decode(*artifacts.read_tables(path)["item"])
    with mgqe.open(path, verify=True) as model:
        items = model.tables["item"]
        assert (items.scheme, items.stages, items.rotated) == ("prq", stages, rotated)
        assert np.array_equal(model.lookup(np.arange(300)), expected)
        assert np.array_equal(model.lookup(np.arange(300), dtype=np.float16), expected.astype(np.float16))
        assert [tuple(tier) for tier in items.tiers] == tiers
        assert ("rotation" in items.arrays) == rotated


@pytest.mark.parametrize("more", [{}, {"private": True}, {"stages": 2, "rotated": True}])
def test_half_codebooks(tmp_path, more):
    path = gmf(tmp_path / "m", 3, rows=300, tiers=[(7, 200, 8), (300, 17, 8)], half=True, **more)
    expected = artifacts.decode(*artifacts.read_tables(path)["item"])
    with mgqe.open(path, verify=True) as model:
        items = model.tables["item"]
        assert np.array_equal(model.lookup(np.arange(300)), expected)
        book = items.arrays["codebook.0" if "private" in more else "codebook"]
        assert book.dtype == np.float16 and book.shape[0] == 200
        whole = model.top_k(np.ones((1, DIM), np.float32), k=5)
        assert np.array_equal(np.sort(expected.sum(1))[::-1][:1].round(3), whole.scores[0][:1].round(3))


def test_shapes_and_dtypes_of_rows(model, decoded):
    items = decoded["item"]
    assert model.lookup(5).shape == (DIM,)
    assert model.lookup([]).shape == (0, DIM)
    rows = np.random.default_rng(4).integers(0, ITEMS, (3, 1, 5))
    for given in (rows, rows.tolist(), rows.astype(np.int16), rows.astype(np.uint64), rows[::-1][::-1],
                  np.asfortranarray(rows)):
        assert np.array_equal(model.lookup(given), items[rows])
    assert np.array_equal(model.lookup(rows[..., 0, 1:4:2]), items[rows[..., 0, 1:4:2]])
    assert np.array_equal(model.lookup(rows, dtype=np.float16), items[rows].astype(np.float16))
    bits = items[rows].view(np.uint32).astype(np.uint64)
    nearest_even = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    assert np.array_equal(model.lookup(rows, dtype="bfloat16").view(np.uint16), nearest_even)


def test_rows_are_written_to_out(model, decoded):
    out = np.full((6, DIM), np.nan, np.float32)
    assert model.lookup([1, 2], out=out[2:4]).base is out
    assert np.array_equal(out[2:4], decoded["item"][[1, 2]])
    assert np.isnan(out[:2]).all() and np.isnan(out[4:]).all()
    bits = np.empty((2, DIM), np.uint16)
    model.lookup([1, 2], dtype="bfloat16", out=bits)
    assert np.array_equal(bits, model.lookup([1, 2], dtype="bfloat16").view(np.uint16))
    frozen = out[:2].copy()
    frozen.flags.writeable = False
    for bad in (out[:3], out[:2, ::2], out[:2].astype(np.float64), np.empty((DIM, 2), np.float32).T,
                frozen, out.tolist()):
        with pytest.raises(mgqe.InvalidArgument, match="out is"):
            model.lookup([1, 2], out=bad)


def test_rows_by_id(model, decoded, texts_path):
    items = decoded["item"]
    ids = model.ids_of([3, 900])
    assert ids.tolist() == [1021, 7300]
    assert np.array_equal(model.lookup(ids, by="id"), items[[3, 900]])
    assert np.array_equal(model.lookup(5_000_000_000 - 4, "user", by="id"), decoded["user"][4])
    with pytest.raises(mgqe.NotFound, match="no item has the id 1001"):
        model.lookup([1000, 1001], by="id")
    with mgqe.open(texts_path) as texts:
        ids = texts.ids_of([[2, 5]])
        assert ids.tolist() == [["film 74 – ü", "film 185 – ü"]]
        assert np.array_equal(texts.lookup(ids, by="id"), texts.lookup([[2, 5]]))
        assert np.array_equal(texts.lookup(np.array(["u3", "u1"]), "user", by="id"),
                              texts.lookup([3, 1], "user"))
        with pytest.raises(mgqe.NotFound, match="no user has the id u90"):
            texts.lookup(["u3", "u90"], "user", by="id")


def test_what_unknown_ids_give_is_a_choice(model, decoded):
    items = decoded["item"]
    ids = [1000, 1, 1007]
    zeros = model.lookup(ids, by="id", missing="zeros")
    assert np.array_equal(zeros, np.stack([items[0], np.zeros(DIM), items[1]]))
    assert np.array_equal(model.lookup(ids, by="id", missing=9), items[[0, 9, 1]])
    assert np.array_equal(model.lookup(model.rows_of(ids), missing="zeros"), zeros)
    with pytest.raises(mgqe.InvalidArgument, match="row -1"):
        model.lookup([-1])
    with pytest.raises(mgqe.InvalidArgument, match="row -2"):
        model.lookup([-2], missing="zeros")
    with pytest.raises(mgqe.InvalidArgument, match="row 1200"):
        model.lookup([-1], missing=ITEMS)
    for bad in ("zero", None, 1.5, True):
        with pytest.raises(mgqe.InvalidArgument, match="missing is"):
            model.lookup([0], missing=bad)


def test_ids_and_rows(model, texts_path):
    every = np.arange(ITEMS)
    assert np.array_equal(model.rows_of(model.ids_of(every)), every)
    assert model.rows_of([[1000, 5]]).tolist() == [[0, -1]]
    assert model.row_of(1014) == 2 and model.row_of("1014") == 2
    with pytest.raises(KeyError, match="no item has the id 3"):
        model.row_of(3)
    assert model.ids_of([2, -1]).tolist() == [1014, -1]
    assert model.ids_of([2, -1], missing=0).tolist() == [1014, 0]
    with pytest.raises(mgqe.Error):
        model.ids_of([ITEMS])
    for call in (model.rows_of, model.ids_of):
        with pytest.raises(mgqe.NotFound, match="no entity film: the model has item, user"):
            call([1], "film")
    with mgqe.open(texts_path) as texts:
        assert np.array_equal(texts.rows_of(texts.ids_of(every)), every)
        assert texts.ids_of([3, -1]).tolist() == ["film 111 – ü", None]
        assert texts.row_of("film 111 – ü") == texts.row_of("film 111 – ü".encode()) == 3
        assert texts.ids_of(0) == LONG_ID and texts.row_of(LONG_ID) == 0
        assert texts.rows_of(["", "film"]).tolist() == [-1, -1]


def test_ids_that_are_rows(tmp_path):
    with mgqe.open(gmf(tmp_path / "m", item_ids=ITEMS)) as model:
        assert model.rows_of([0, 5, ITEMS, -1]).tolist() == [0, 5, -1, -1]
        assert model.ids_of([5, 7]).tolist() == [5, 7]


def test_what_a_model_says_of_itself(model, path):
    table = model.tables["item"]
    arrays, _ = artifacts.read_tables(path)["item"]
    assert (table.rows, table.dim, table.scheme, table.entity) == (ITEMS, DIM, "mgqe", "item")
    assert table.payload_bytes == sum(array.nbytes for array in arrays.values())
    assert sorted(table.arrays) == sorted(arrays)
    for name, array in arrays.items():
        assert np.array_equal(table.arrays[name], array) and table.arrays[name].dtype == array.dtype
    assert np.array_equal(model.array("gmf.weights"), np.ones(DIM + 1))
    with pytest.raises(KeyError):
        table.arrays["codes.2"]
    assert model.metadata["backbone"] == "gmf" and model.metadata["seed"] == "7"
    assert model.config == {} and json.loads(model.metadata["config"]) == {}
    assert model.max_length == 0
    assert "codes.2" not in table.arrays and "film" not in model.tables
    assert str(path) in repr(model) and "1200 rows by 32" in repr(model.tables)


def test_arrays_are_of_the_file_and_cannot_be_written(model):
    codebook = model.tables["item"].arrays["codebook"]
    assert codebook.ctypes.data == model.array("item.codebook").ctypes.data  # no copy
    assert codebook.ctypes.data % artifacts.ALIGNMENT == 0
    for array in (codebook, codebook[1:], codebook.reshape(-1)):
        with pytest.raises(ValueError):
            array.flags.writeable = True
        with pytest.raises(ValueError):
            array[...] = 0


def test_many_threads_look_up_the_same_model(model, decoded):
    wrong = []

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(200):
            rows = random.integers(0, ITEMS, 40)
            if not np.array_equal(model.lookup(rows, threads=1 + seed % 2), decoded["item"][rows]):
                wrong.append(rows)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
