"""Where a command's configuration comes from: a file, or the options themselves; and which processes' part it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec.structs

from ..config import Config, count_workers, find, from_values, load, take_share
from ..errors import ConfigError, ExpvasticError
from ..logs import visible
from .flags import quick_values, say


def configuration(options: argparse.Namespace) -> Config:
    """The configuration of a command line, for this process alone. Raises ConfigError."""
    return take_share(common_configuration(options), options.shard)


def common_configuration(options: argparse.Namespace) -> Config:
    """The configuration of a command line, for all processes that share it. Raises ConfigError."""
    if options.config is None:
        return from_values(quick_values(options), "command line")
    config = load(find(options.config))
    if options.loglevel is None:
        return config
    return msgspec.structs.replace(config, settings=config.settings.model_copy(update={"log_level": options.loglevel}))


def all_shares(options: argparse.Namespace) -> list[Config]:
    """The configuration of each process that has left something in the state directory, or of the one that was asked
    for.

    There is always one at least. Raises ConfigError, or StateError.
    """
    common = common_configuration(options)
    if options.shard is not None or common.settings.state_dir is None:
        return [take_share(common, options.shard)]
    from ..shards import Shard
    from ..state import find_shards, is_made

    root = Path(common.settings.state_dir)
    numbers = sorted(number for number, folder in find_shards(root).items() if is_made(folder))
    if not numbers:
        return [take_share(common, None)]
    alone = [take_share(common, None)] if is_made(root) else []
    count = max(count_workers(common), numbers[-1] + 1)
    return [*alone, *(take_share(common, Shard(number, count)) for number in numbers)]


def do_for_all(shares: Sequence[Config], work: Callable[[Config], int], *, titled: bool = True) -> int:
    """Do something for each process, with a line between that says for which; the worst exit code.

    What cannot be done for one of several is said, and the others have their turn. Raises ExpvasticError.
    """
    if len(shares) == 1:
        return work(shares[0])
    worst = 0
    for config in shares:
        if titled:
            say(visible(f"{config.settings.state_dir}:"))
        try:
            worst = max(worst, work(config))
        except ConfigError:
            raise
        except ExpvasticError as error:
            sys.stdout.flush()
            sys.stderr.write(visible(f"expvastic: {error}") + "\n")
            worst = 1
    return worst
