"""What can go wrong, by the status that the library returns."""
from __future__ import annotations


class Error(Exception):
    """Whatever the library refuses; its text is one line: what, where, what would be right."""


class InvalidArgument(Error, ValueError):
    """What was asked for cannot be: k of 0, a row that is none, a model that is closed."""


class BadFile(Error, OSError):
    """No artifact, a damaged one, or one of a newer version."""


class NotFound(Error, KeyError):
    """An id, a table or an array that the model does not have."""

    __str__ = Exception.__str__  # KeyError's puts the line in quotes


class OutOfMemory(Error, MemoryError):
    """The library could not allocate what the call needs."""


class InternalError(Error, RuntimeError):
    """A defect of the library."""


BY_STATUS = {1: InvalidArgument, 2: BadFile, 3: NotFound, 4: OutOfMemory, 5: InternalError}
