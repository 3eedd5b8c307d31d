"""What a model holds: its tables, their tiers and arrays."""
from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Mapping, NamedTuple, Tuple

import numpy as np

if TYPE_CHECKING:
    from .model import Model


class Tier(NamedTuple):
    """Rows that are coded alike: up to `end`, from the end of the tier before."""

    end: int
    centroids: int
    subspaces: int


class TableInfo(NamedTuple):
    """A table's facts, without the model."""

    name: str
    entity: str
    scheme: str
    rows: int
    dim: int
    payload_bytes: int
    tiers: Tuple[Tier, ...]
    key: bytes  # the name as the library takes it
    stages: int
    rotated: bool


class Table:
    """One embedding table.

    name, entity   "gmf.user", "user"
    scheme         "mgqe", "full", ...
    rows, dim      of the decoded table
    payload_bytes  of all its arrays
    tiers          (Tier(end, centroids, subspaces), ...); empty where the scheme has no codes
    stages         that codes come in, `subspaces` each; 1 but for the scheme "prq"
    rotated        whether rows are rotated where codes are, by arrays["rotation"]
    arrays         the file's own by name, e.g. "codes.0" (bit-packed): read-only, not copied
    """

    __slots__ = ("_info", "_model")

    def __init__(self, info: TableInfo, model: "Model"):
        self._info, self._model = info, model

    name = property(lambda self: self._info.name)
    entity = property(lambda self: self._info.entity)
    scheme = property(lambda self: self._info.scheme)
    rows = property(lambda self: self._info.rows)
    dim = property(lambda self: self._info.dim)
    payload_bytes = property(lambda self: self._info.payload_bytes)
    tiers = property(lambda self: self._info.tiers)
    stages = property(lambda self: self._info.stages)
    rotated = property(lambda self: self._info.rotated)

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        return Arrays(self._model, self._info)

    def __repr__(self) -> str:
        return (f"<mgqe.Table {self.name}: {self.rows} rows by {self.dim}, {self.scheme}, "
                f"{self.payload_bytes} bytes>")


class Arrays(Mapping):
    """A table's arrays by their names in it. A view stays good after the model is closed."""

    _OTHERS = ("table", "factor", "basis", "cells", "low", "high", "codebook", "rotation")

    def __init__(self, model: "Model", info: TableInfo):
        self._model, self._info = model, info

    def __getitem__(self, name: str) -> np.ndarray:
        return self._model.array(f"{self._info.name}.{name}")

    def __iter__(self) -> Iterator[str]:
        tiers = range(len(self._info.tiers))
        names = (*self._OTHERS, *(f"codebook.{t}" for t in tiers), *(f"codes.{t}" for t in tiers))
        return (name for name in names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Tables(Mapping):
    """Tables by name."""

    def __init__(self, model: "Model", infos: Mapping[str, TableInfo]):
        self._model, self._infos = model, infos

    def __getitem__(self, name: str) -> Table:
        return Table(self._infos[name], self._model)

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def __repr__(self) -> str:
        return f"{{{', '.join(repr(table) for table in self.values())}}}"
