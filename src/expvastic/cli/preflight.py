"""The pre-flight of ``check --connect``: what was polled once, beside what its destinations take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anyio

from ..config import RecorderPlan
from ..datatypes import Container
from ..errors import RecordError
from ..logs import visible
from ..recorder import Finding, Inspected
from ..recorders import RECORDERS
from .flags import say
from .tables import columns

_HEAD = ("FIELD", "WHAT WOULD BECOME OF IT", "WHAT TO DO")
_SHOWN = 50


async def inspect_all(plans: Mapping[str, RecorderPlan], samples: Mapping[str, Sequence[Container]]) -> None:
    """Say of each recorder whether its destination would take the samples as they are; a table of what it would not."""
    for name, batch in samples.items():
        recorder = RECORDERS[plans[name].type](plans[name].plugin)
        if not batch or not isinstance(recorder, Inspected):
            continue
        limit = plans[name].delivery.timeout
        try:
            with anyio.fail_after(limit):
                async with recorder:
                    findings = await recorder.inspect(batch)
        except TimeoutError:
            _say(name, f"types not compared: no answer within {limit:g} s")
        except RecordError as error:
            _say(name, f"types not compared: {error}")
        else:
            _tell(name, len(batch), findings)


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
