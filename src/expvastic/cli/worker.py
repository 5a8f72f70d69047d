"""The start of a worker, one of the processes that ``settings.workers`` asks for: no command for users.

``python -m expvastic.cli.worker K/N DESCRIPTOR``, as the supervising process calls it: its share, and its end of the
pair of sockets between the two.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from ..shards import parse_shard
from . import answering
from .starting import import_pydantic, undisturbed


def main(arguments: Sequence[str]) -> int:
    """Work until told to end; returns the exit code. What keeps it from starting is one line on standard error."""
    shard, descriptor = parse_shard(arguments[0]), int(arguments[1])

    def work() -> int:
        import_pydantic()
        with undisturbed():
            working = importlib.import_module(".working", __package__)
        return int(working.main(shard, descriptor))

    return answering(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
