"""The pre-flight of ``check --connect``: what destinations are, and what was polled once beside what they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anyio

from ..config import RecorderPlan
from ..datatypes import Container
from ..errors import RecordError
from ..logs import visible
from ..recorder import Finding, Inspected, Provisioned
from ..recorders import RECORDERS
from .flags import say
from .tables import columns

_HEAD = ("FIELD", "WHAT WOULD BECOME OF IT", "WHAT TO DO")
_SHOWN = 50
_DESCRIBING, _COMPARING = "FAILED, nothing would be written", "types not compared"


async def inspect_all(plans: Mapping[str, RecorderPlan], samples: Mapping[str, Sequence[Container]]) -> bool:
    """Say of each recorder what its destination is, and whether it would take the samples as they are.

    What it would not take is a table. False if nothing at all would be written to one of them.
    """
    return all([await _look_at(plans[name], batch) for name, batch in samples.items()])


async def _look_at(plan: RecorderPlan, batch: Sequence[Container]) -> bool:
    recorder = RECORDERS[plan.type](plan.plugin)
    if not isinstance(recorder, Provisioned | Inspected):
        return True
    limit, stage = plan.delivery.timeout, _DESCRIBING
    try:
        with anyio.fail_after(limit):
            async with recorder:
                if isinstance(recorder, Provisioned):
                    for line in await recorder.describe():
                        _say(plan.name, line)
                stage = _COMPARING
                if isinstance(recorder, Inspected) and batch:
                    _tell(plan.name, len(batch), await recorder.inspect(batch))
    except TimeoutError:
        _say(plan.name, f"{stage}: no answer within {limit:g} s")
    except RecordError as error:
        _say(plan.name, f"{stage}: {error}")
    return stage == _COMPARING


def _tell(name: str, count: int, findings: Sequence[Finding]) -> None:
    documents = f"{count} document" if count == 1 else f"{count} documents"
    if not findings:
        _say(name, f"takes {documents} as polled")
        return
    _say(name, f"would not take {documents} as polled:")
    rows = [(finding.field, finding.problem, finding.advice) for finding in findings[:_SHOWN]]
    for line in columns(_HEAD, rows):
        say(f"  {line}")
    if len(findings) > _SHOWN:
        say(f"  and {len(findings) - _SHOWN} more")


def _say(name: str, words: str) -> None:
    say(visible(f"recorder {name}: {words}"))
