"""The readers, by the ``type`` that names them."""

from __future__ import annotations

from typing import Any

from ..reader import Reader
from ..registry import Registry


def _expvar() -> type[Reader[Any]]:
    from .expvar import ExpvarReader

    return ExpvarReader


def _http() -> type[Reader[Any]]:
    from .http import HttpReader

    return HttpReader


def _self() -> type[Reader[Any]]:
    from .self import SelfReader

    return SelfReader


READERS: Registry[type[Reader[Any]]] = Registry({"expvar": _expvar, "http": _http, "self": _self})
