"""``buffer``: what waits in the state directory, and what was refused: seen, sent again, dropped, handed over."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import anyio

from .. import logs
from ..assembly import Shares, routed_recorders
from ..buffer import BufferSettings
from ..buffers.disk import DiskBuffer
from ..config import Config, RecorderPlan
from ..errors import ExpvasticError, StateError
from ..logs import visible
from ..outcomes.ledger import Ledger
from ..outcomes.quarantine import Quarantine
from ..recorders import RECORDERS
from ..state import Mark, State, peek
from ..upkeep import holds_data
from .adopting import move_waiting
from .choice import UsageError, configured_recorder, duration, known_recorder, state_path, telling_of
from .flags import say
from .offering import offer_again
from .source import all_shares, do_for_all
from .stock import count_waiting, list_recorders, show_quarantine, show_waiting


def main(options: argparse.Namespace) -> int:
    """Do what was asked; 0 if all of it is done."""
    shares = all_shares(options)
    logs.configure("error", shares[0].settings.log_format, shares[0].secrets)
    actions = {"list": _list, "show": _show, "replay": _replay, "discard": _discard, "adopt": _adopt}
    act = actions[options.action]
    if options.action != "list" and len(shares) > 1:
        shares = _that_hold(getattr(options, "old", None) or options.recorder, shares)
    is_plain = getattr(options, "json", False)  # each line is for a program
    return do_for_all(shares, lambda config: act(options, config, state_path(config)), titled=not is_plain)


def _that_hold(name: str, shares: list[Config]) -> list[Config]:
    """Those of several processes that ever had such a recorder; the first one, which will complain, if none had."""
    known = ((config, peek(state_path(config)).marks) for config in shares)
    folded = name.casefold()
    return [config for config, marks in known if folded in {mark.name.casefold() for mark in marks}] or shares[:1]


def _list(_options: argparse.Namespace, config: Config, path: Path) -> int:
    list_recorders(config, peek(path))
    return 0


def _show(options: argparse.Namespace, config: Config, path: Path) -> int:
    folder = _known_folder(options.recorder, config, path)[1]
    show = show_quarantine if options.quarantine else show_waiting
    show(folder, count=options.count or sys.maxsize, as_json=options.json)
    return 0


def _replay(options: argparse.Namespace, config: Config, path: Path) -> int:
    plan = configured_recorder(config, options.recorder, "buffer replay")
    timeout = duration(options.timeout, "buffer replay --timeout")
    peek(path)  # nothing is to be made where nothing is
    with State.open(path) as state:
        settings = Shares([plan], state, config.settings.memory).buffer_settings(plan)
        return anyio.run(offer_again, config, plan, settings, state, options.id, timeout)


def _discard(options: argparse.Namespace, config: Config, path: Path) -> int:
    name, folder = _known_folder(options.recorder, config, path)
    if options.quarantine:
        return _discard_quarantine(options, name, folder / "quarantine")
    with State.open(path):
        return _discard_waiting(options, name, config, folder / "buffer")


def _discard_quarantine(options: argparse.Namespace, name: str, folder: Path) -> int:
    quarantine = Quarantine(folder)
    with telling_of(folder):
        ids = [entry.id for entry in quarantine.entries()]
    if not ids or not _is_sure(options, f"drop {_count(len(ids))} that {name} refused"):
        return _leave(f"{name} has nothing in quarantine" if not ids else "nothing was dropped", code=bool(ids))
    with telling_of(folder):
        removed = quarantine.remove(ids)
    return _leave(f"{name}: {_count(removed)} dropped from quarantine", code=False)


def _discard_waiting(options: argparse.Namespace, name: str, config: Config, folder: Path) -> int:
    waiting = count_waiting(folder)
    if not waiting or not _is_sure(options, f"drop {_count(waiting)} that wait for {name}"):
        return _leave(f"nothing waits for {name}" if not waiting else "nothing was dropped", code=bool(waiting))
    settings = config.recorders[name].delivery.buffer if name in config.recorders else BufferSettings()
    buffer = DiskBuffer(settings.model_copy(update={"type": "disk", "max_age": None}), Ledger(), folder)
    buffer.open(time.monotonic())
    try:
        waiting = buffer.waiting
        buffer.clear("discarded")
    finally:
        buffer.close(time.monotonic())
    say(visible(f"{name}: {_count(waiting)} dropped"))
    return 0


def _adopt(options: argparse.Namespace, config: Config, path: Path) -> int:
    plan = configured_recorder(config, options.recorder, "buffer adopt")
    mark = Mark(plan.name, plan.type, RECORDERS[plan.type](plan.plugin).destination)
    _check_type(plan)
    if options.old is None:
        _known_folder(plan.name, config, path)
    else:
        options.old = _old_name(options.old, plan.name, config, path)
    with State.open(path) as state:
        own = state.recorder_folder(plan.name) / "buffer"
        count_waiting(own)  # before anything is done, it must be of use
        if options.old is None:
            state.set_mark(mark)
        elif own.is_dir():
            _move(options.old, plan, mark, state)
        else:
            state.adopt(options.old, mark)
        waiting = count_waiting(own)
    say(visible(f"{plan.name}: {_count(waiting)} will be sent to {mark.destination}"))
    return 0


def _check_type(plan: RecorderPlan) -> None:
    if plan.delivery.buffer.type == "memory":
        raise ExpvasticError(
            f"recorder {plan.name}: its buffer is in memory, and never looks at what waits on the disk; "
            "adopt it with `buffer: {type: disk}`"
        )


def _move(old: str, plan: RecorderPlan, mark: Mark, state: State) -> None:
    """Put what waits for a recorder that is gone beside another one's own data, and its quarantine if it has none."""
    target, source = state.recorder_folder(plan.name), state.recorder_folder(old)
    waiting = count_waiting(target / "buffer")
    if state.mark(plan.name) and (reason := state.held_because(plan.name, mark.destination, waiting, (), holds_data)):
        raise StateError(f"recorder {plan.name} waits itself: {reason}")
    moved = move_waiting(source / "buffer", target / "buffer", plan.delivery.buffer)
    state.set_mark(mark)
    say(visible(f"{plan.name}: {_count(moved)} of {old} moved"))
    with telling_of(target):
        if not (source / "quarantine").exists():
            return
        if (target / "quarantine").exists():
            say(visible(f"{plan.name} has a quarantine of its own; that of {old} stays where it is"))
        else:
            (source / "quarantine").rename(target / "quarantine")


def _old_name(old: str, name: str, config: Config, path: Path) -> str:
    folders = {mark.name: folder for mark, folder in peek(path).marks.items()}
    old = known_recorder(folders, old, "buffer adopt --from", f"in {path}")
    if old == name:
        raise UsageError("buffer adopt --from", f"{old} is the recorder itself")
    if old in routed_recorders(config):
        raise UsageError("buffer adopt --from", f"{old} is still configured; its data is its own")
    if not (folders[old] / "buffer").is_dir():
        raise UsageError("buffer adopt --from", f"nothing waits for {old}")
    return old


def _known_folder(name: str, config: Config, path: Path) -> tuple[str, Path]:
    """The name and folder of a recorder of the state directory, be it configured or not."""
    folders = {mark.name: folder for mark, folder in peek(path).marks.items()}
    if name not in folders and name in config.recorders:
        raise ExpvasticError(f"{path} holds nothing of {name}")
    name = known_recorder(folders, name, "buffer", f"in {path}")
    return name, folders[name]


def _is_sure(options: argparse.Namespace, what: str) -> bool:
    """Whether the user wants it: asked where there is a terminal. Raises ConfigError where nobody can be asked."""
    if options.yes:
        return True
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError("buffer discard", f"this would {what}; say --yes if it shall")
    sys.stderr.write(visible(f"{what}? [y/N] "))
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _leave(words: str, *, code: bool) -> int:
    say(visible(words))
    return int(code)


def _count(number: int) -> str:
    return f"{number} document" if number == 1 else f"{number} documents"
