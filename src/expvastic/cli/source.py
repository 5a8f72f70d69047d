"""Where a command's configuration comes from: a file, or the options themselves."""

from __future__ import annotations

import argparse
import dataclasses

from ..config import Config, find, from_values, load, take_share
from .flags import quick_values


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
    return dataclasses.replace(config, settings=config.settings.model_copy(update={"log_level": options.loglevel}))
