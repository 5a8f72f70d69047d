"""The buffer on disk, and what commands read of it beside a running process."""

from .buffer import DiskBuffer
from .inspection import Stock, inspect, read_ledger, read_waiting

__all__ = ["DiskBuffer", "Stock", "inspect", "read_ledger", "read_waiting"]
