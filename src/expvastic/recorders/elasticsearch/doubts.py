"""What an operator should know of a destination whose templates are settled: others that win, settings without effect.

None of it stops the delivery, and none of it is worth an error: where it may not be asked, nothing is found.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote
from weakref import WeakKeyDictionary

import msgspec

from .answers import Answer, decode, tidy
from .contact import Product
from .destination import IndexName
from .settings import ElasticsearchSettings
from .template import Shape, features_of, priority_of, template_name

if TYPE_CHECKING:
    from .client import Cluster

T = TypeVar("T")

_ALL = "/_index_template?filter_path=index_templates.name,*.*.index_patterns,*.*.priority"
_ISM = "retention has no effect on {product}; see to it with a policy of its own for {pattern}"
_RIVAL = "index template {rival} stands above ours and decides about types; give it a lower priority, or leave it so"
_UNKNOWN = "which has a higher priority"


class _Template(msgspec.Struct):
    index_patterns: list[str] | str = []
    priority: int | None = None

    def matches(self, name: str) -> bool:
        patterns = [self.index_patterns] if isinstance(self.index_patterns, str) else self.index_patterns
        return any(fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns)


class _Named(msgspec.Struct):
    name: str
    index_template: _Template = msgspec.field(default_factory=_Template)


class _Installed(msgspec.Struct):
    index_templates: list[_Named] = []


class _Overlapping(msgspec.Struct):
    name: str


class _Simulated(msgspec.Struct):
    overlapping: list[_Overlapping] | None = None


async def find_doubts(
    cluster: Cluster,
    product: Product,
    index: IndexName,
    settings: ElasticsearchSettings,
    shape: Shape,
    *,
    is_installed: bool = True,
) -> list[str]:
    """One line for each thing that is not as the settings would have it, or will not be when the template is installed.

    Raises RecordError if nobody answers.
    """
    doubts = []
    features = features_of(product)
    if settings.retention and not features.policies and not (features.lifecycle and shape is not Shape.PLAIN):
        doubts.append(_ISM.format(product=product, pattern=index.pattern))
    find_rival = _find_rival if is_installed else _foresee_rival
    if rival := await find_rival(cluster, index):
        doubts.append(_RIVAL.format(rival=rival))
    return doubts


async def _find_rival(cluster: Cluster, index: IndexName) -> str:
    """The template that a new index of this name would be made by, if that is not ours."""
    name, own = index.at(time.time_ns() // 1_000), template_name(index)
    path = f"/_index_template/_simulate_index/{quote(name, safe='')}"
    simulated = _read(await cluster.request("POST", path), _Simulated)
    if simulated is None or own not in (found.name for found in simulated.overlapping or ()):
        return ""
    return tidy(_highest(await _others(cluster, index), name)) or _UNKNOWN


async def _foresee_rival(cluster: Cluster, index: IndexName) -> str:
    """The template that would stand above ours, were that installed."""
    above = [each for each in await _others(cluster, index) if (each.index_template.priority or 0) > priority_of(index)]
    return tidy(_highest(above, index.at(time.time_ns() // 1_000)))


async def _others(cluster: Cluster, index: IndexName) -> list[_Named]:
    """All index templates but ours, as far as they may be seen."""
    installed = _read(await cluster.request("GET", _ALL), _Installed) or _Installed()
    return [found for found in installed.index_templates if found.name != template_name(index)]


def _highest(templates: Iterable[_Named], name: str) -> str:
    matching = [found for found in templates if found.index_template.matches(name)]
    return max(matching, key=lambda found: found.index_template.priority or 0).name if matching else ""


def _read(answer: Answer, kind: type[T]) -> T | None:
    if answer.status != 200:
        return None
    try:
        return decode(answer.body, kind)
    except ValueError:
        return None


_told: WeakKeyDictionary[ElasticsearchSettings, set[str]] = WeakKeyDictionary()


def tell_once(settings: ElasticsearchSettings, destination: str, doubts: Sequence[str]) -> None:
    """Log what was not yet said of these settings, for the recorder that said it may have a successor."""
    told = _told.setdefault(settings, set())
    for doubt in doubts:
        if doubt not in told:
            told.add(doubt)
            _warn(destination, doubt)


def _warn(destination: str, doubt: str) -> None:
    import structlog  # not loaded before somebody logs

    structlog.get_logger().warning("destination is not as configured", destination=destination, detail=doubt)
