"""Files that are none, models that are closed, many threads at once."""
import gc
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time

import mgqe
import numpy as np
import pytest
from conftest import DIM, gmf

CALLS = [
    lambda model: model.lookup([1]), lambda model: model.lookup([1007], by="id"),
    lambda model: model.scores(np.zeros(DIM)), lambda model: model.top_k(np.zeros(DIM)),
    lambda model: model.recommend(users=[1]), lambda model: model.vectors(users=[1]),
    lambda model: model.similar([1]), lambda model: model.rows_of([1]), lambda model: model.ids_of([1]),
    lambda model: model.row_of(1000), lambda model: model.tables, lambda model: model.metadata,
    lambda model: model.config, lambda model: model.max_length, lambda model: model.array("gmf.weights"),
    lambda model: model.verify(), lambda model: model.prepare(), lambda model: pickle.dumps(model),
    lambda model: model.__enter__(),
]


@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_answered_after_close(path, call):
    model = mgqe.open(path)
    call(model)
    model.close()
    model.close()
    assert model.closed and "closed" in repr(model)
    with pytest.raises(ValueError, match="the model is closed"):
        call(model)


def test_what_was_given_out_lives_on(path):
    with mgqe.open(path) as model:
        table = model.tables["item"]
        codes, part = table.arrays["codes.1"], table.arrays["codebook"][5:7]
        kept = codes.copy(), part.copy()
        result = model.recommend(users=[1])
    del model
    gc.collect()
    assert np.array_equal(codes, kept[0]) and np.array_equal(part, kept[1])
    assert table.rows == 1200
    for late in (lambda: table.arrays["codebook"], result.ids):
        with pytest.raises(ValueError, match="closed"):
            late()


def mapped(path):
    with open("/proc/self/maps") as maps:
        return str(path) in maps.read()


def test_the_file_is_let_go(tmp_path):
    path = gmf(tmp_path / "mapped.safetensors")
    model = mgqe.open(path)
    view = model.array("item.codebook")
    assert mapped(path)
    model.close()
    assert mapped(path)
    del view
    assert not mapped(path)
    model = mgqe.open(path)
    del model
    assert not mapped(path)
    with mgqe.open(path, read=True) as model:
        assert not mapped(path) and model.lookup(0).shape == (DIM,)


def test_close_while_others_look_up(path, decoded):
    """Every call either answers rightly or says that the model is closed."""
    for _ in range(10):
        model = mgqe.open(path)
        said, begun = [], threading.Barrier(5)

        def work(model=model, said=said, begun=begun):
            begun.wait()
            try:
                while True:
                    if not np.array_equal(model.lookup([7, 1000]), decoded["item"][[7, 1000]]):
                        said.append("wrong rows")
                        return
            except ValueError as error:
                said.append(str(error))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        begun.wait()
        time.sleep(0.005)
        model.close()
        for thread in threads:
            thread.join()
        assert said == [f"{path}: the model is closed"] * 4


def test_prepare_while_others_search(model):
    queries = np.random.default_rng(3).standard_normal((4, DIM)).astype(np.float32)
    expected = model.top_k(queries).rows
    wrong, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            if not np.array_equal(model.top_k(queries).rows, expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        model.prepare(threads=2)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_prepare_waits_for_calls(model):
    with model._open():  # as during a call
        prepare = threading.Thread(target=model.prepare)
        prepare.start()
        prepare.join(0.2)
        assert prepare.is_alive()
    prepare.join()
    assert model.lookup(1).shape == (DIM,)


def test_other_threads_run_during_a_call(tmp_path):
    """The GIL is let go: while one thread is in a long call, another one counts."""
    path = gmf(tmp_path / "m", rows=100_000, tiers=[(100_000, 64, 8)], item_ids=100_000)
    with mgqe.open(path) as model:
        ticks, done = [], threading.Event()

        def tick():
            while not done.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.001)

        thread = threading.Thread(target=tick)
        thread.start()
        count, began, ended = 16, 0, 0
        while ended - began < 0.3:
            count *= 4
            queries = np.ones((count, DIM), np.float32)
            began = time.perf_counter()
            model.top_k(queries, 100)
            ended = time.perf_counter()
        done.set()
        thread.join()
        assert sum(began < at < ended for at in ticks) > 5


def test_errors_are_of_their_thread(model):
    lines = {}

    def work(row):
        for _ in range(100):
            with pytest.raises(mgqe.InvalidArgument) as error:
                model.lookup([row])
            lines.setdefault(row, set()).add(str(error.value).split(" (")[0])

    threads = [threading.Thread(target=work, args=(5000 + n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lines == {5000 + n: {f"row {5000 + n}"} for n in range(4)}


def test_other_processes_open_the_file_themselves(model, decoded):
    copy = pickle.loads(pickle.dumps(model))
    assert copy is not model and np.array_equal(copy.lookup([3]), decoded["item"][[3]])
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(model.lookup([3]), decoded["item"][[3]]) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_file_replaced_by_rename_is_served_as_it_was(tmp_path, decoded, path):
    mine = tmp_path / "m"
    shutil.copy(path, mine)
    with mgqe.open(mine) as model:
        os.replace(gmf(tmp_path / "other", 99), mine)
        assert np.array_equal(model.lookup([3]), decoded["item"][[3]])
        with mgqe.open(mine) as newer:
            assert not np.array_equal(newer.lookup([3]), decoded["item"][[3]])


def test_files_that_are_none(tmp_path, path):
    good = path.read_bytes()
    files = {"nothing": b"", "text": b"what is this?" * 9, "cut": good[:-5], "header": good[:100],
             "version": good.replace(b'"version":"3"', b'"version":"9"'),
             "format": good.replace(b"mgqe-artifact", b"mgqe-nonsense")}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(mgqe.BadFile, match=name) as error:
            mgqe.open(tmp_path / name)
        assert "\n" not in str(error.value)
    for missing in (tmp_path / "missing", tmp_path):
        with pytest.raises(OSError, match=str(missing)):
            mgqe.open(missing)
    with pytest.raises(mgqe.InvalidArgument, match="zero"):
        mgqe.open(str(path) + "\0")


def test_names_that_are_none(model):
    for name in ("item\0", "film", ""):
        for call in (model.array, lambda name: model.lookup([1], name), lambda name: model.rows_of([1], name),
                     lambda name: model.ids_of([1], name)):
            with pytest.raises((mgqe.NotFound, mgqe.InvalidArgument)):
                call(name)


def test_damage_is_found_by_verify(tmp_path, path):
    damaged = bytearray(path.read_bytes())
    damaged[-3000] ^= 0xFF
    (tmp_path / "damaged").write_bytes(damaged)
    with mgqe.open(tmp_path / "damaged") as model:  # nothing is read yet
        with pytest.raises(mgqe.BadFile, match="checksum"):
            model.verify()
    with pytest.raises(mgqe.BadFile, match="checksum"):
        mgqe.open(tmp_path / "damaged", verify=True)
    with mgqe.open(path) as model:
        model.verify()


def run(code, **environment):
    """Exit status and output of a fresh interpreter."""
    package = os.path.dirname(os.path.dirname(mgqe.__file__))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": package, **environment})
    return done.returncode, done.stdout + done.stderr


def test_importing_takes_numpy_alone():
    code = ("import sys, mgqe; heavy = {'torch', 'ml_dtypes', 'safetensors', 'onnx'} & set(sys.modules); "
            "assert heavy <= {'ml_dtypes'}, heavy")
    assert run(code) == (0, "")


def test_a_library_that_is_none_is_an_import_error(tmp_path):
    wrong = tmp_path / "libmgqe_serve.so"
    wrong.write_bytes(b"no library")
    status, said = run("import mgqe", MGQE_LIBRARY=str(wrong))
    assert status == 1 and "ImportError: libmgqe_serve cannot be used" in said and str(wrong) in said
    status, said = run("import mgqe", MGQE_LIBRARY="libc.so.6")
    assert status == 1 and "ImportError" in said and "mgqe_abi_version" in said


def test_an_older_library_is_refused(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    code = "from pathlib import Path; import re, mgqe; " \
           "print(' '.join(re.findall(r'\"(mgqe_[a-z_]+)\":', Path(mgqe._abi.__file__).read_text())))"
    functions = run(code)[1].split()
    assert len(functions) > 20
    source, library = tmp_path / "old.c", tmp_path / "old.so"
    source.write_text("".join(f"int {name}(void) {{ return 0; }}\n" for name in functions))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    status, said = run("import mgqe", MGQE_LIBRARY=str(library))
    assert status == 1 and "its ABI is version 0, this package needs 1" in said
