import os
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[2]
sys.path.insert(0, str(HERE))
if "MGQE_INSTALLED" not in os.environ:  # else the package that is installed is tested
    sys.path.insert(0, str(SOURCE / "host" / "serve" / "python"))

import artifacts  # noqa: E402
import mgqe  # noqa: E402

STORED = sorted((SOURCE / "tests" / "compatibility").glob("*/*/model.safetensors"))
DIM, USERS, ITEMS = 32, 90, 1200
LONG_ID = "a film of many words " * 20
TIERS = {"items": [(120, 256, 8), (ITEMS, 64, 8)], "users": [(USERS, 16, 2)]}


def gmf(path, seed=1, *, rows=ITEMS, dim=DIM, tiers=None, private=False, integral=False, version=3,
        item_ids=None, user_ids=None, stages=1, rotated=False, half=False):
    """Writes a GMF model of random codes, whose weights are ones."""
    random = np.random.default_rng(seed)
    shape = (random, rows, dim, tiers or TIERS["items"])
    items = artifacts.coded_table(*shape, private, integral)
    if stages > 1 or rotated:
        items = artifacts.staged_table(*shape, stages, rotated, private, integral)
    if half:
        items = artifacts.with_half_codebooks(*items)
    tables = {"item": items,
              "user": artifacts.coded_table(random, USERS, dim, TIERS["users"], False, integral)}
    ids = {"item": [7 * r + 1000 for r in range(rows)] if item_ids is None else item_ids,
           "user": [5_000_000_000 - r for r in range(USERS)] if user_ids is None else user_ids}
    artifacts.write(path, tables, ids, {"gmf.weights": np.ones(dim + 1, np.float32)}, version)
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="session")
def path(folder):
    return gmf(folder / "gmf.safetensors")


@pytest.fixture(scope="session")
def decoded(path):
    """{table: f32 (rows, dim)} of the artifact at `path`."""
    return {name: artifacts.decode(*table) for name, table in artifacts.read_tables(path).items()}


@pytest.fixture
def model(path):
    with mgqe.open(path) as model:
        yield model


@pytest.fixture(scope="session")
def texts_path(folder):
    """Ids that are texts."""
    return gmf(folder / "texts.safetensors", 2,
               item_ids=[f"film {r * 37 % ITEMS} – ü" if r else LONG_ID for r in range(ITEMS)],
               user_ids=[f"u{r}" for r in range(USERS)])
