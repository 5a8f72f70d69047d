"""``setup``: what destinations need before anything is written to them: printed, compared, or installed."""

from __future__ import annotations

import argparse

import anyio

from .. import logs
from ..config import Config, RecorderPlan
from ..errors import RecordError
from ..logs import visible
from ..recorder import Provisioned, Survey
from ..recorders import RECORDERS
from .flags import say
from .source import configuration


def main(options: argparse.Namespace) -> int:
    """Go through the recorders, one after the other; 0 if all went well, else 1."""
    config = configuration(options)
    logs.configure("error", config.settings.log_format, config.secrets)
    return 0 if anyio.run(_set_up_all, config, options) else 1


async def _set_up_all(config: Config, options: argparse.Namespace) -> bool:
    first: dict[str, str] = {}
    results = []
    for name, plan in config.recorders.items():
        destination = RECORDERS[plan.type](plan.plugin).destination
        if first.setdefault(destination, name) == name:
            results.append(await _set_up(plan, options))
        else:
            _say(f"# recorder {name}: the same destination as recorder {first[destination]}")
    return all(results)


async def _set_up(plan: RecorderPlan, options: argparse.Namespace) -> bool:
    """One destination; what fails is one line, and leaves the others alone."""
    recorder = RECORDERS[plan.type](plan.plugin)
    if not isinstance(recorder, Provisioned):
        _say(f"# recorder {plan.name}: {recorder.destination} needs nothing")
        return True
    limit = plan.delivery.timeout
    try:
        with anyio.fail_after(limit):
            async with recorder:
                survey = await recorder.survey()
                for line in (survey.about, *survey.remarks):
                    _say(f"# recorder {plan.name}: {line}")
                if options.print:
                    _print(survey)
                elif options.diff:
                    return _compare(plan.name, survey)
                else:
                    await _install(recorder, survey)
                return True
    except TimeoutError:
        _say(f"# recorder {plan.name}: FAILED, {recorder.destination} was not done within {limit:g} s")
    except RecordError as error:
        _say(f"# recorder {plan.name}: FAILED, {error}")
    return False


def _print(survey: Survey) -> None:
    """The requests as Kibana's console takes them."""
    for provision in survey.provisions:
        say(f"\n{visible(provision.request)}\n{provision.body}")


def _compare(name: str, survey: Survey) -> bool:
    """Say what differs; whether everything could be seen."""
    for provision in survey.provisions:
        more = "" if provision.difference or provision.is_due else ", no difference"
        _say(f"{provision.name}: {provision.condition}{more}")
        for line in provision.difference:
            _say(f"  {line}")
    unseen = sum(not provision.is_seen for provision in survey.provisions)
    if unseen:
        _say(f"# recorder {name}: FAILED, {unseen} of {len(survey.provisions)} could not be compared")
    return not unseen


async def _install(recorder: Provisioned, survey: Survey) -> None:
    for provision in survey.provisions:
        if provision.is_due:
            await recorder.provide(provision)
            _say(f"{provision.name}: installed, was {provision.condition}")
        else:
            _say(f"{provision.name}: left as it is, {provision.condition}")


def _say(text: str) -> None:
    say(visible(text))
