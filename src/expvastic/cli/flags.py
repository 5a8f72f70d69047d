"""Commands, options and environment variables, in GNU spelling and in Go's.

Without a file, options describe one reader and one recorder, with the names and defaults of the ancestor.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from .. import __version__

if TYPE_CHECKING:
    from ..shards import Shard

# command: (module, one line of help)
COMMANDS = {
    "run": ("run", "poll and deliver until stopped (the default)"),
    "once": ("run", "poll each reader once, deliver everything, exit"),
    "check": ("check", "validate the configuration and print the plan"),
    "setup": ("setup", "install what the destinations need: index templates, with stronger credentials perhaps"),
    "read": ("read", "poll one page and print its names, kinds, units and values"),
    "buffer": ("buffer", "see to what waits in state_dir, and to what was refused"),
    "replay": ("replay", "send the output of a file recorder to another recorder"),
    "schema": ("schema", "print the JSON Schema of the configuration, for editors"),
    "dashboard": ("dashboard", "write or import dashboards for Kibana, OpenSearch or Grafana"),
    "health": ("health", "ask a running expvastic whether it is alive"),
}
# what ``buffer`` does: one line of help
ACTIONS = {
    "list": "what each recorder holds: how much waits, how old it is, how much was refused",
    "show": "what waits for a recorder, or what it refused and why",
    "replay": "offer what a recorder refused to it once more",
    "discard": "drop what waits for a recorder, or what it refused",
    "adopt": "let a recorder that was renamed or moved have the data that waits",
}
# option: (default, one line of help); the ancestor's names
QUICK = {
    "reader": ("localhost:1234/debug/vars", "the page to poll"),
    "recorder": ("localhost:9200", "the Elasticsearch or OpenSearch to write to"),
    "index": ("expvastic", "the index or data stream to write to"),
    "app": ("expvastic", "the service's name in the documents"),
    "int": ("1s", "time between polls"),
    "timeout": ("30s", "time that a poll or a delivery may take"),
    "backoff": ("15", "failures in a row before polls are spaced out, or the recorder is dropped"),
}
_WITH_FILE = {"run", "once", "check", "setup"}
_OF_A_FILE = {"buffer", "replay"}  # which is not to be done without
_GO = re.compile(r"-([a-z][a-z-]+)(=.*)?", re.DOTALL)


class _Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        from ..logs import visible

        self.exit(2, f"{self.prog}: {visible(message)}; see {self.prog} --help\n")


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> argparse.Namespace:
    """The options of a command line; leaves with code 2 and one line if it is wrong."""
    rest = [_gnu(argument) for argument in arguments]
    named = bool(rest) and rest[0] in COMMANDS
    command = rest.pop(0) if named else "run"
    parser = _parser(command, is_top=not named)
    options = parser.parse_args(rest)
    options.command = command
    if command in _WITH_FILE:
        _choose_source(options, parser, environment)
    elif command in _OF_A_FILE:
        options.config = options.config or environment.get("EXPVASTIC_CONFIG")
        if options.config is None:
            parser.error("which configuration? give it with -c FILE")
    if "shard" in options and options.shard is None:
        options.shard = _shard_of(environment, parser)
    return options


def quick_values(options: argparse.Namespace) -> dict[str, object]:
    """The configuration that the options describe when there is no file."""
    shared = {"timeout": options.timeout, "backoff": options.backoff}
    reader = {"type": "expvar", "endpoint": options.reader, "type_name": options.app, "interval": options.int, **shared}
    recorder = {"type": "elasticsearch", "endpoint": options.recorder, "index_name": options.index, **shared}
    return {
        "settings": {"log_level": options.loglevel or "info"},
        "readers": {"reader": reader},
        "recorders": {"recorder": recorder},
        "routes": {"route": {"readers": ["reader"], "recorders": ["recorder"]}},
    }


def _gnu(argument: str) -> str:
    """``-reader=x`` as ``--reader=x``: Go programs take one dash before a long name."""
    found = _GO.fullmatch(argument)
    known = {*QUICK, "config", "loglevel", "help", "version"}
    return f"-{argument}" if found and found[1] in known else argument


def _choose_source(options: argparse.Namespace, parser: _Parser, environment: Mapping[str, str]) -> None:
    """Command line before environment before default; a file and a quick option exclude each other."""
    given = [name for name in QUICK if getattr(options, name) is not None]
    if options.config is None and not given:
        options.config = environment.get("EXPVASTIC_CONFIG")
    if options.config is not None and given:
        parser.error(f"--{given[0]} cannot be combined with -c: it is for one reader and one recorder without a file")
    if options.loglevel is None and "EXPVASTIC_LOGLEVEL" in environment:
        options.loglevel = parser.parse_args(["--loglevel", environment["EXPVASTIC_LOGLEVEL"]]).loglevel
    for name, (default, _help) in QUICK.items():
        if getattr(options, name) is None:
            setattr(options, name, environment.get(f"EXPVASTIC_{name.upper()}", default))


def _any_formatter(prog: str) -> argparse.HelpFormatter:
    """For options while they are added: each is tried with a formatter, which would measure the terminal."""
    return argparse.HelpFormatter(prog, width=80)


def _parser(command: str, *, is_top: bool) -> _Parser:
    prog = "expvastic" if is_top else f"expvastic {command}"
    parser = _Parser(
        prog=prog,
        allow_abbrev=False,
        formatter_class=_any_formatter,
        description=_overview() if is_top else COMMANDS[command][1],
    )
    if is_top:
        parser.add_argument("--version", action="version", version=f"expvastic {__version__}")
    if command in _WITH_FILE:
        _add_source(parser)
    if command == "check":
        either = parser.add_mutually_exclusive_group()
        either.add_argument(
            "--connect", action="store_true", help="also poll each reader once and contact each recorder"
        )
        text = "instead, compare what was recorded in the last 24 hours with what the destinations hold"
        either.add_argument("--ledger", action="store_true", help=text)
    elif command == "setup":
        _add_setup(parser)
    elif command == "buffer":
        _add_buffer(parser)
    elif command == "replay":
        _add_replay(parser)
    elif command == "read":
        _add_read(parser)
    elif command == "dashboard":
        _add_dashboard(parser)
    elif command == "health":
        parser.add_argument("url", nargs="?", default="http://127.0.0.1:8642/healthz", help="default: %(default)s")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


def _add_source(parser: _Parser) -> None:
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration (or EXPVASTIC_CONFIG)")
    levels = ("debug", "info", "warn", "warning", "error")
    text = "debug, info, warn or error; goes before that of the file"
    parser.add_argument("--loglevel", metavar="LEVEL", type=str.lower, choices=levels, help=text)
    _add_shard(parser)
    quick = parser.add_argument_group(
        "without a file: one expvar reader, one Elasticsearch recorder (or EXPVASTIC_READER and so on)"
    )
    for name, (default, text) in QUICK.items():
        quick.add_argument(f"--{name}", metavar="VALUE", help=f"{text} ({default})")


def _add_shard(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    text = "which of N processes over one configuration this is, 0/N being the first (or EXPVASTIC_SHARD)"
    parser.add_argument("--shard", metavar="K/N", type=_shard, default=default, help=text)


def _shard(text: str) -> Shard:
    from ..shards import parse_shard

    try:
        return parse_shard(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_setup(parser: _Parser) -> None:
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--print", action="store_true", help="install nothing, print the requests that would")
    only.add_argument("--diff", action="store_true", help="install nothing, print how what is there differs")


def _add_read(parser: _Parser) -> None:
    parser.add_argument("url", metavar="URL", help="the page, as a reader's endpoint")
    parser.add_argument("--timeout", default="5s", metavar="TIME", help="time that the poll may take (%(default)s)")
    parser.add_argument("--header", action="append", default=[], metavar="NAME: VALUE", help="may be repeated")
    parser.add_argument("--pointer", metavar="POINTER", help="start below the root, as in /data/stats")
    parser.add_argument("--mapping", metavar="FILE", help="apply a map file")
    parser.add_argument("--watch", action="store_true", help="go on, and show what changes and how fast")
    parser.add_argument("--interval", default="1s", metavar="TIME", help="time between polls of --watch (%(default)s)")
    parser.add_argument("--count", type=int, metavar="N", help="end --watch after so many polls")


def _add_buffer(parser: _Parser) -> None:
    _add_file(parser, default=None)
    _add_shard(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    added = {
        name: actions.add_parser(name, allow_abbrev=False, help=text, description=text)
        for name, text in ACTIONS.items()
    }
    for name, action in added.items():
        _add_file(action, default=argparse.SUPPRESS)  # what stands before the action counts, too
        _add_shard(action, default=argparse.SUPPRESS)
        if name != "list":
            action.add_argument("recorder", metavar="RECORDER", help="its name in the configuration, or its old one")
    added["show"].add_argument("--quarantine", action="store_true", help="what was refused instead of what waits")
    added["show"].add_argument("--count", type=_number, default=20, metavar="N", help="the oldest N (20); 0 for all")
    added["show"].add_argument(
        "--json", action="store_true", help="one JSON object per line; what waits, as for replay"
    )
    added["replay"].add_argument("--id", nargs="+", action="extend", metavar="ID", help="only these documents")
    _add_timeout(added["replay"], "time that the delivery may take")
    added["discard"].add_argument("--quarantine", action="store_true", help="what was refused instead of what waits")
    added["discard"].add_argument("--yes", action="store_true", help="do not ask")
    text = "the name under which the data was taken in, if it is another one"
    added["adopt"].add_argument("--from", dest="old", metavar="OLD", help=text)


def _add_replay(parser: _Parser) -> None:
    _add_file(parser, default=None)
    parser.add_argument("files", nargs="+", metavar="FILE", help="plain or gzip; - for standard input")
    parser.set_defaults(shard=_shard("0/1"))
    parser.add_argument("--to", required=True, metavar="RECORDER", help="its name in the configuration")
    _add_timeout(parser, "give up when nothing was recorded for so long")


def _shard_of(environment: Mapping[str, str], parser: _Parser) -> Shard | None:
    try:
        return _shard(environment["EXPVASTIC_SHARD"]) if environment.get("EXPVASTIC_SHARD") else None
    except argparse.ArgumentTypeError as error:
        parser.error(f"EXPVASTIC_SHARD: {error}")


def _add_file(parser: argparse.ArgumentParser, default: str | None) -> None:
    text = "the configuration (or EXPVASTIC_CONFIG)"
    parser.add_argument("-c", "--config", metavar="FILE", default=default, help=text)
    parser.set_defaults(loglevel=None)


def _add_timeout(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--timeout", default="60s", metavar="TIME", help=f"{text} (%(default)s)")


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(text)


def _add_dashboard(parser: _Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    export = actions.add_parser("export", allow_abbrev=False, help="write the shipped dashboards to a file")
    give = actions.add_parser("import", allow_abbrev=False, help="give the shipped dashboards to a Kibana")
    build = actions.add_parser("build", allow_abbrev=False, help="write a dashboard of what readers publish now")
    what = give.add_mutually_exclusive_group()
    what.add_argument("--file", metavar="FILE", help="give this file of build's instead of the shipped dashboards")
    for action in (export, what, build):
        action.add_argument("--index", metavar="PATTERN", help="the indices to show (metrics-expvastic*,expvastic*)")
    for action in (export, build):
        targets = ("kibana", "opensearch", "grafana")
        action.add_argument("--target", choices=targets, default="kibana", help="who is to show it (%(default)s)")
        action.add_argument("-o", "--output", metavar="FILE", help="where to write; unless given to standard output")
    give.set_defaults(target="kibana")
    give.add_argument("--kibana", metavar="URL", required=True, help="its address, as http://localhost:5601")
    give.add_argument("--space", default="", metavar="NAME", help="the space to import into, unless the default one")
    give.add_argument("--username", metavar="NAME", help="who to log in as")
    give.add_argument("--password-file", metavar="FILE", help="a file with the password")
    give.add_argument("--api-key-file", metavar="FILE", help="a file with an API key")
    give.add_argument("--ca-file", metavar="FILE", help="the authority of Kibana's certificate, in PEM form")
    given = os.environ.get("EXPVASTIC_CONFIG")
    build.add_argument(
        "-c", "--config", metavar="FILE", required=given is None, default=given, help="the configuration"
    )
    build.add_argument(
        "--polls", type=int, default=2, metavar="N", help="how often each reader is polled (%(default)s)"
    )
    build.add_argument("--every", default="1s", metavar="TIME", help="time between polls (%(default)s)")


def _overview() -> str:
    lines = [f"  {name:11}{text}" for name, (_module, text) in COMMANDS.items()]
    return "Poll JSON status pages and ship them to Elasticsearch or OpenSearch.\n\ncommands:\n" + "\n".join(lines)


def say(text: str) -> None:
    """A line of a command's answer."""
    sys.stdout.write(text + "\n")
