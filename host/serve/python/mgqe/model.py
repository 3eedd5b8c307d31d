"""Model: an open artifact."""
from __future__ import annotations

import json
import os
from ctypes import byref
from typing import Any, Dict, Iterable, Mapping, Optional, Union

import numpy as np

from . import _abi, _arrays, _ids
from ._arrays import FLOAT32, INT32, INT64, address
from ._handle import Handle
from ._questions import Asked, questions
from .errors import InvalidArgument, NotFound
from .results import TopK
from .tables import TableInfo, Tables, Tier

_lib, _check = _abi.lib, _abi.check
_METADATA = ("backbone", "task", "config", "commit", "device", "seed", "best_epoch",
             "data_fingerprint", "version", "item_table")


def open(path: Union[str, os.PathLike], *, read: bool = False, verify: bool = False,
         prepare: bool = False, threads: int = 1) -> "Model":
    """Opens the model.safetensors of a training run or of `mgqe convert`.

    The file is mapped and its arrays are not read: ten million rows open in milliseconds, and
    processes share its pages. `read` puts it into memory instead, for network mounts; `verify` and
    `prepare` as the methods of those names, with `threads` threads.

    Raises BadFile where the file is no artifact, with what is wrong.
    """
    return Model(path, read=read, verify=verify, prepare=prepare, threads=threads)


class Model:
    """An open artifact; see mgqe.open(). Use it in `with`, or close() it.

    Rows are numbers of table rows, 0 the most popular id of the training data; `by="id"` takes
    original ids instead. `threads` is the number of threads of that call.
    """

    def __init__(self, path: Union[str, os.PathLike], *, read: bool = False, verify: bool = False,
                 prepare: bool = False, threads: int = 1):
        self.path = os.fsdecode(path)
        self._options = {"read": bool(read), "prepare": bool(prepare), "threads": int(threads)}
        self._handle: Optional[Handle] = Handle(self.path, bool(read), bool(verify), bool(prepare),
                                                int(threads))
        self._infos = self._read_tables()
        self._items = self._infos[self.metadata["item_table"]]

    # ---- open and closed -----------------------------------------------------------------------

    def close(self) -> None:
        """Lets the file go, as soon as calls that are under way and views of its arrays have done
        so. Every later call raises ValueError."""
        self._handle = None

    @property
    def closed(self) -> bool:
        return self._handle is None

    def __enter__(self) -> "Model":
        self._open()
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __reduce__(self):  # other processes open the file themselves, and share its pages
        self._open()
        return _reopen, (self.path, self._options)

    def __repr__(self) -> str:
        return f"<mgqe.Model {self.path}{' (closed)' if self.closed else ''}>"

    def _open(self) -> Handle:
        handle = self._handle
        if handle is None:
            raise InvalidArgument(f"{self.path}: the model is closed")
        return handle

    def verify(self) -> None:
        """Reads everything: checksum, codes, finite weights, ids. BadFile at the first that is
        wrong."""
        with self._open() as pointer:
            _check(_lib.mgqe_verify(pointer))

    def prepare(self, threads: int = 1) -> None:
        """Unpacks the codes of the items' table once into the layout that is scanned fastest, for
        about the memory of the codes. Waits until no other call is under way."""
        with self._open().exclusively() as pointer:
            _check(_lib.mgqe_prepare(pointer, threads))
        self._options["prepare"] = True

    # ---- what is in it -------------------------------------------------------------------------

    @property
    def metadata(self) -> Dict[str, str]:
        """"backbone", "task", "config" (JSON), "commit", "device", "seed", ..."""
        with self._open() as pointer:
            values = {key: _lib.mgqe_metadata(pointer, key.encode()) for key in _METADATA}
        return {key: value.decode() for key, value in values.items() if value is not None}

    @property
    def config(self) -> Dict[str, Any]:
        """What the model was trained with."""
        return json.loads(self.metadata["config"])

    @property
    def max_length(self) -> int:
        """The most items of a history that are read, the latest; 0: users are known by row."""
        with self._open() as pointer:
            return _lib.mgqe_max_length(pointer)

    @property
    def tables(self) -> Mapping[str, Any]:
        """Table by name."""
        self._open()
        return Tables(self, self._infos)

    def array(self, name: str) -> np.ndarray:
        """An array by its name in the file, "item.codebook" or "gmf.weights": read-only, where it
        lies. NotFound where there is none."""
        handle, info = self._open(), _abi.ArrayInfo()
        with handle as pointer:
            _check(_lib.mgqe_array(pointer, _abi.text(name), byref(info)))
        return _arrays.view(handle, info)

    def _read_tables(self) -> Dict[str, TableInfo]:
        infos = {}
        with self._open() as pointer:
            for number in range(_lib.mgqe_table_count(pointer)):
                info = _abi.TableInfo()
                _check(_lib.mgqe_table_at(pointer, number, byref(info)))
                ends = np.zeros(_abi.MAX_TIERS, INT64)
                centroids, subspaces = np.zeros((2, _abi.MAX_TIERS), INT32)
                _check(_lib.mgqe_tiers(pointer, info.name, address(ends), address(centroids),
                                       address(subspaces)))
                tiers = zip(ends.tolist(), centroids.tolist(), subspaces.tolist())
                infos[info.name.decode()] = TableInfo(
                    info.name.decode(), info.entity.decode(), info.scheme.decode(), info.rows,
                    info.dim, info.payload_bytes, tuple(Tier(*tier) for tier in tiers)[:info.tiers],
                    info.name, info.stages or 1, bool(info.rotated))
        return infos

    def _table(self, name: str) -> TableInfo:
        info = self._infos.get(name)
        if info is None:
            raise NotFound(f"no table {name}: the model has {', '.join(self._infos)}")
        return info

    # ---- ids -----------------------------------------------------------------------------------

    def rows_of(self, ids: Any, entity: str = "item") -> np.ndarray:
        """int32 rows of original ids (integers or texts), of their shape; -1 where one is
        unknown."""
        return _ids.rows_of(self._open(), entity, ids)

    def row_of(self, id: Any, entity: str = "item") -> int:
        """The row of one id. NotFound, a KeyError, where it is unknown."""
        row = int(self.rows_of(id, entity))
        if row < 0:
            raise NotFound(f"no {entity} has the id {id}")
        return row

    def ids_of(self, rows: Any, entity: str = "item", *, missing: Any = None) -> np.ndarray:
        """Original ids of rows, of their shape: int64, or objects of str where ids are texts. Of
        row -1: `missing`, by default -1 or None."""
        return _ids.ids_of(self._open(), entity, rows, missing)

    def _rows(self, entity: str, given: Any, by: str, unknown: bool = False) -> np.ndarray:
        """int32 rows of what was given by row or by id. With `unknown` they may be -1."""
        if by == "row":
            return _arrays.integers(given, INT32, "rows")
        if by != "id":
            raise InvalidArgument(f"by is 'row' or 'id', not {by!r}")
        rows = self.rows_of(given, entity)
        if not unknown and rows.size > 0 and rows.min() < 0:
            missing = np.asarray(given, object).flat[int(np.argmax(rows.reshape(-1) < 0))]
            raise NotFound(f"no {entity} has the id {missing}")
        return rows

    # ---- look-ups ------------------------------------------------------------------------------

    def lookup(self, ids: Any, table: str = "item", by: str = "row", dtype: Any = "float32",
               out: Optional[np.ndarray] = None, *, threads: int = 1,
               missing: Union[str, int] = "error") -> np.ndarray:
        """Decoded rows, (*shape of ids, dim).

        ids      integers of any shape; with by="id" original ids
        dtype    "float32", "float16" or "bfloat16" (ml_dtypes.bfloat16 where that is installed,
                 else its bits as uint16), rounded to nearest even
        out      a C-contiguous array to write to, which is returned
        missing  what an unknown id gives, or row -1: "error" (NotFound, or InvalidArgument of a
                 row), "zeros", or the number of a row to give instead
        """
        info = self._table(table)
        number, numpy_dtype = _arrays.row_dtype(dtype)
        tolerant = missing != "error"
        if by == "row":
            rows = _arrays.integers(ids, INT64, "rows")
        else:
            rows = self._rows(info.entity, ids, by, unknown=tolerant).astype(INT64)
        out = _arrays.writable(out, rows.shape + (info.dim,), numpy_dtype)
        absent = None
        if tolerant:
            rows, absent = _replaced(rows, missing)
            if absent is not None and info.rows == 0 and absent.all():
                out[...] = 0
                return out
        with self._open() as pointer:
            _check(_lib.mgqe_look_up(pointer, info.key, address(rows), rows.size, number,
                                     address(out), info.dim, threads))
        if absent is not None:
            out[absent] = 0
        return out

    # ---- scores and top-k ----------------------------------------------------------------------

    def scores(self, query: Any, table: str = "item", rows: Any = None) -> np.ndarray:
        """float32 dot products of a query (dim,) with rows (n,) of a table, all of them by default:
        (n,). Of queries (M, dim): (M, n)."""
        info = self._table(table)
        queries = _arrays.floats(query, info.dim, "query")
        wanted = None if rows is None else _arrays.integers(rows, INT64, "rows")
        shape = (info.rows,) if wanted is None else wanted.shape
        out = np.empty(queries.shape[:-1] + shape, FLOAT32)
        asked = None if wanted is None else address(wanted)
        count = info.rows if wanted is None else wanted.size
        with self._open() as pointer:
            each = queries.reshape(-1, info.dim)
            for one, to in zip(each, out.reshape(len(each), count)):
                _check(_lib.mgqe_scores(pointer, info.key, address(one), asked, count, address(to)))
        return out

    def top_k(self, queries: Any, k: int = 10, table: str = "item", *, allow: Any = None,
              block: Any = None, block_each: Optional[Iterable] = None, threads: int = 1) -> TopK:
        """The k rows of a table with the largest dot products, exactly, for queries (M, dim) or one
        (dim,).

        allow, block  for all queries: rows in any order, a boolean mask (rows of the table), or the
                      mask packed to bits, least significant first, as bytes or another buffer
        block_each    such a filter, or None, for each query
        """
        info = self._table(table)
        vectors = _arrays.floats(queries, info.dim, "queries")
        search = _Search(self, info, 1 if vectors.ndim == 1 else len(vectors), vectors.ndim == 1)
        options = search.options(k, allow, block, block_each, threads)
        with self._open() as pointer:
            _check(_lib.mgqe_top_k(pointer, info.key, address(vectors), search.count,
                                   byref(options), byref(search.struct)))
        return search.result()

    def recommend(self, users: Any = None, *, histories: Any = None, offsets: Any = None,
                  k: int = 10, by: str = "row", allow: Any = None, block: Any = None,
                  block_each: Optional[Iterable] = None, shortlist: int = 0, threads: int = 1,
                  missing: str = "error") -> TopK:
        """Items for users, (M) or one, in the order that `mgqe evaluate` ranks by; for models that
        read histories (max_length > 0), by what each did in time order: M lists of items, one list
        alone, or all of them in one array with offsets (M + 1).

        by         "row" or "id": what users and histories are given by
        shortlist  models whose scores are no dot products (neumf): 0 scores every item, exactly;
                   else so many candidates are taken from the codes and scored, approximately
        missing    unknown ids in histories: "error" raises NotFound, "drop" leaves them out
        Filters are of items' rows, as in top_k().
        """
        asked = self._asked(users, histories, offsets, by, missing)
        search = _Search(self, self._items, asked.count, asked.single)
        options = search.options(k, allow, block, block_each, threads, shortlist)
        with self._open() as pointer:
            _check(_lib.mgqe_recommend(pointer, byref(asked.struct), byref(options),
                                       byref(search.struct)))
        return search.result()

    def vectors(self, users: Any = None, *, histories: Any = None, offsets: Any = None,
                by: str = "row", missing: str = "error") -> np.ndarray:
        """The float32 vectors (M, dim of the items' table) that recommend() ranks by, for top_k()
        or an index."""
        asked = self._asked(users, histories, offsets, by, missing)
        out = np.empty((asked.count, self._items.dim), FLOAT32)
        with self._open() as pointer:
            _check(_lib.mgqe_vectors(pointer, byref(asked.struct), address(out)))
        return out[0] if asked.single else out

    def similar(self, items: Any, k: int = 10, by: str = "cosine", *, given: str = "row",
                allow: Any = None, block: Any = None, block_each: Optional[Iterable] = None,
                threads: int = 1) -> TopK:
        """Items like each of items, (M) or one, itself left out: by "cosine" or "dot" of decoded
        rows, or by the "model": the score that a relevance model was trained for. `given` says
        whether items are rows or "id"s; filters as in top_k()."""
        if by not in _abi.LIKENESS:
            raise InvalidArgument(f"by is one of {', '.join(_abi.LIKENESS)}, not {by!r}")
        rows = self._rows(self._items.entity, items, given)
        if rows.ndim > 1:
            raise InvalidArgument(f"items have shape {rows.shape} where (M,) belongs")
        search = _Search(self, self._items, rows.size, rows.ndim == 0)
        options = search.options(k, allow, block, block_each, threads)
        with self._open() as pointer:
            _check(_lib.mgqe_similar(pointer, address(rows), rows.size, _abi.LIKENESS[by],
                                     byref(options), byref(search.struct)))
        return search.result()

    def _asked(self, users: Any, histories: Any, offsets: Any, by: str, missing: str) -> Asked:
        if missing not in ("error", "drop"):
            raise InvalidArgument(f"missing is 'error' or 'drop', not {missing!r}")

        def to_rows(entity: str, given: Any) -> np.ndarray:
            unknown = entity == "item" and missing == "drop"
            rows = self._rows(entity, given, by, unknown)
            if not unknown and (rows == -1).any():
                raise InvalidArgument(f"{entity} row -1 is none")
            return rows

        return questions(users, histories, offsets, to_rows)


class _Search:
    """Options and results of one call, with what they point to."""

    def __init__(self, model: Model, info: TableInfo, count: int, single: bool):
        self._model, self._info, self.count, self._single = model, info, count, single
        self._filters = _arrays.Filters(info.rows)

    def options(self, k: int, allow: Any, block: Any, block_each: Optional[Iterable], threads: int,
                shortlist: int = 0) -> _abi.TopKOptions:
        if not 1 <= k <= _abi.MAX_K:  # before there is room for it
            raise InvalidArgument(f"k is {k}: 1 to {_abi.MAX_K} belong")
        self._rows = np.empty((self.count, k), INT32)
        self._scores = np.empty((self.count, k), FLOAT32)
        self._counts = np.empty(self.count, INT64)
        self.struct = _abi.Result(rows=address(self._rows), scores=address(self._scores),
                                  counts=address(self._counts))
        return _abi.TopKOptions(k=k, threads=threads, allow=self._filters.one(allow, "allow"),
                                block=self._filters.one(block, "block"),
                                block_each=self._filters.each(block_each, self.count),
                                shortlist=shortlist)

    def result(self) -> TopK:
        rows, scores, counts = self._rows, self._scores, self._counts
        if self._single:
            rows, scores, counts = rows[0], scores[0], int(counts[0])
        return TopK(rows, scores, counts, self._model, self._info.entity)


def _replaced(rows: np.ndarray, missing: Union[str, int]):
    """Rows with row -1 replaced, and where zeros belong afterwards."""
    absent = rows == -1
    is_row = hasattr(missing, "__index__") and not isinstance(missing, bool)
    if missing != "zeros" and not is_row:
        raise InvalidArgument(f"missing is 'error', 'zeros' or a row, not {missing!r}")
    if not absent.any():
        return rows, None
    if missing == "zeros":
        return np.where(absent, 0, rows), absent
    return np.where(absent, INT64.type(missing), rows), None


def _reopen(path: str, options: Dict[str, Any]) -> Model:
    return Model(path, **options)
