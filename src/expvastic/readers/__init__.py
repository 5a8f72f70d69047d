"""The readers, by the ``type`` that names them."""

from __future__ import annotations

from typing import Any

from ..reader import Reader
from .expvar import ExpvarReader
from .http import HttpReader
from .self import SelfReader

READERS: dict[str, type[Reader[Any]]] = {"expvar": ExpvarReader, "http": HttpReader, "self": SelfReader}
