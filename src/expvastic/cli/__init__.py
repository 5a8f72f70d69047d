"""The commands. Nothing heavy is imported before a command needs it: ``--help`` and ``--version`` answer at once."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from ..errors import ConfigError, ExpvasticError
from .flags import COMMANDS, parse

DONE, FAILED, USAGE, LOST = 0, 1, 2, 3  # exit codes; 128 + n after a second signal n


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Every complaint is one line on standard error."""
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        module, _summary = COMMANDS[options.command]
        command = importlib.import_module(f".{module}", __name__)
        return int(command.main(options))
    except ConfigError as error:
        _complain(str(error))
        return USAGE
    except ExpvasticError as error:
        _complain(f"expvastic: {error}")
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left; there is nobody to tell
        return FAILED
    except KeyboardInterrupt:
        return 130


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201  # a command's answer
