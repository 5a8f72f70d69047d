"""Where a command's configuration comes from: a file, or the options themselves."""

from __future__ import annotations

import argparse
import dataclasses

from ..config import Config, find, from_values, load
from .flags import quick_values


def configuration(options: argparse.Namespace) -> Config:
    """The configuration of a command line. Raises ConfigError."""
    if options.config is None:
        return from_values(quick_values(options), "command line")
    config = load(find(options.config))
    if options.loglevel is None:
        return config
    return dataclasses.replace(config, settings=config.settings.model_copy(update={"log_level": options.loglevel}))
