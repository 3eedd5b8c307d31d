"""mgqe: a packed embedding model, served: look-ups, scores and exact top-k straight from its codes.

    import mgqe
    with mgqe.open("model.safetensors") as model:
        rows = model.lookup([3, 1, 4])                  # float32 (3, dim)
        best = model.recommend(users=[17], by="id", k=10)
        best.ids(), best.scores                         # (1, 10) each

NumPy in and out. A model may be used by many threads at once; the GIL is free while the library
works. `mgqe.torch` has an embedding for PyTorch, which nothing here imports.
"""
from ._abi import lib as _lib
from .errors import BadFile, Error, InternalError, InvalidArgument, NotFound, OutOfMemory
from .model import Model, open
from .results import TopK
from .tables import Table, Tier

__version__ = "0.1"
__all__ = ["BadFile", "Error", "InternalError", "InvalidArgument", "Model", "NotFound",
           "OutOfMemory", "Table", "Tier", "TopK", "library_version", "open"]


def library_version() -> str:
    """Of libmgqe_serve: "0.1 (commit)"."""
    return _lib.mgqe_version().decode()
