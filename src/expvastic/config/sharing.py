"""One process's part of a configuration that several processes share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec.structs

from ..errors import Complaint
from .catalogue import Catalogue, installed
from .complaints import Complaints
from .plans import Config, RecorderPlan

if TYPE_CHECKING:
    from ..shards import Shard

ALONE = "all"  # the word for the one process that polls all readers


def count_workers(config: Config, catalogue: Catalogue | None = None) -> int:
    """How many processes are to share the readers of a configuration on this machine: not more than there are."""
    known = catalogue or installed()
    wanted = config.settings.workers
    if wanted == 1:
        return 1
    from ..cores import usable_cores

    shared_out = sum(not known.readers[config.readers[name].type].reads_itself for name in config.engines)
    return max(1, min(usable_cores() if isinstance(wanted, str) else wanted, shared_out))


def for_workers(config: Config, count: int) -> Config:
    """The configuration that so many processes on one machine share: what it allows to all of them is divided.

    Raises ConfigError where one of them could not have its share.
    """
    settings = config.settings.model_copy(update={"memory": max(1, config.settings.memory // count)})
    remarks = config.remarks
    if isinstance(config.settings.workers, int) and count < config.settings.workers:
        words = f"{config.settings.workers} processes, but {count} readers to share; {count} are started"
        remarks = (*remarks, Complaint("settings.workers", words))
    from ..shards import Shard

    found = msgspec.structs.replace(config, settings=settings, remarks=remarks)
    for number in range(count):
        take_share(found, Shard(number, count))
    return found


def take_share(config: Config, shard: Shard | None, catalogue: Catalogue | None = None) -> Config:
    """The configuration for one shard, or for the one process that there is.

    Raises ConfigError where a recorder takes one process only.
    """
    known = catalogue or installed()
    complaints = Complaints(config.source)
    recorders = {name: _for_shard(plan, shard, known, complaints) for name, plan in config.recorders.items()}
    complaints.raise_errors()
    if shard is None:
        return msgspec.structs.replace(config, recorders=recorders)
    from ..state import shard_folder

    path = config.settings.state_dir
    settings = config.settings.model_copy(
        update={"state_dir": str(shard_folder(Path(path), shard.number)) if path else None}
    )
    elsewhere = {name for name in config.engines if not _is_polled(config.readers[name].type, name, shard, known)}
    return msgspec.structs.replace(
        config, settings=settings, recorders=recorders, shard=shard, elsewhere=frozenset(elsewhere)
    )


def _for_shard(plan: RecorderPlan, shard: Shard | None, known: Catalogue, complaints: Complaints) -> RecorderPlan:
    kind = known.recorders[plan.type]
    is_alone = shard is None or shard.count == 1
    try:
        plugin = kind.of_shard(plan.plugin, str(shard.number) if shard else ALONE, is_alone=is_alone)
    except ValueError as error:
        complaints.error(("recorders", plan.name), str(error))
        return plan
    return msgspec.structs.replace(plan, plugin=plugin)


def _is_polled(kind: str, name: str, shard: Shard, known: Catalogue) -> bool:
    return known.readers[kind].reads_itself or shard.has(name)
