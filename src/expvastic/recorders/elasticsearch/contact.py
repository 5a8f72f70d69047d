"""The first question to a cluster: is anybody there, and who?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ...errors import RecorderLost, RecordError
from .answers import Answer, decode, explain, tidy

if TYPE_CHECKING:
    from .client import Cluster

_LONGEST = 40  # characters of a name or a version
_OLDEST = 7  # major version of Elasticsearch; OpenSearch's count began anew
_SERVERLESS = "serverless"
_RELEASE = r"([0-9]{1,4})\.([0-9]{1,4})"
_NAMES = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}


class Product(NamedTuple):
    """What a cluster says it is: ``elasticsearch`` or ``opensearch``, and its version; both empty if it may not say.

    Serverless has no version but that word: its number stays while it changes.
    """

    name: str = ""
    version: str = ""

    @property
    def is_serverless(self) -> bool:
        return self.version == _SERVERLESS

    @property
    def release(self) -> tuple[int, int]:
        """The version's first two numbers; zero where it has none."""
        found = re.match(_RELEASE, self.version)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def __str__(self) -> str:
        if not self.name:
            return "a cluster that may not say what it is"
        return f"{_NAMES.get(self.name, self.name)} {self.version}"


class _Version(msgspec.Struct):
    number: str
    distribution: str = "elasticsearch"
    build_flavor: str = ""


class _Root(msgspec.Struct):
    version: _Version


async def make_contact(cluster: Cluster) -> Product:
    """Ask the nodes, one after the other, until one answers.

    Raises RecordError if none does or what answers is something else, RecorderLost if the credentials are refused.
    """
    for _ in range(cluster.nodes - 1):
        try:
            return await _ask(cluster)
        except RecorderLost:
            raise  # credentials are no better the second time
        except RecordError:
            continue  # the client takes another node for the next
    return await _ask(cluster)


async def _ask(cluster: Cluster) -> Product:
    answer = await cluster.request("GET", "/")
    if answer.status == 403:  # known, but not allowed to ask this; what matters is the right to write
        return Product()
    if answer.status == 404 and not cluster.has_root:
        return Product()
    if answer.status != 200:
        raise explain(answer, "making contact")
    return _read_product(answer)


def _read_product(answer: Answer) -> Product:
    try:
        version = decode(answer.body, _Root).version
    except ValueError as error:
        raise RecordError(
            f"{answer.endpoint}: something answers that is neither Elasticsearch nor OpenSearch; check the endpoint"
        ) from error
    number = _SERVERLESS if version.build_flavor == _SERVERLESS else tidy(version.number)[:_LONGEST]
    product = Product(tidy(version.distribution)[:_LONGEST], number)
    major = product.version.partition(".")[0]
    if product.name == "elasticsearch" and major.isdecimal() and int(major) < _OLDEST:
        raise RecordError(f"{answer.endpoint}: Elasticsearch {product.version} is too old; 7.17 or newer is needed")
    return product
