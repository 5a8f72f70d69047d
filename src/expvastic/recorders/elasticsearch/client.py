"""The official client as this recorder uses it: plain requests, whole answers whatever their status, our errors.

Loaded when a cluster is contacted.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

import anyio
from elastic_transport import NodeConfig
from elasticsearch import ApiError, AsyncElasticsearch, TransportError

from ...errors import ReadError, RecordError
from .answers import Answer, ConnectionCut, parse_retry_after
from .aws import Signer
from .exchange import BodyCut, NothingSent
from .nodes import Nodes
from .settings import ElasticsearchSettings, spell_address
from .wire import PlainSerializer, node_class

_LOGGER = "elastic_transport"
_JSON = {"accept": "application/json", "content-type": "application/json"}
_NOT_ABOUT_SIZE = {"connect", "dns", "proxy", "tls"}


class Cluster:
    """One cluster: a request goes to one of its nodes, if possible to one that is known to be well.

    ``has_root`` is false where nothing tells who answers.
    """

    def __init__(self, client: AsyncElasticsearch, address: str, nodes: int, *, has_root: bool = True) -> None:
        self._client = client
        self.address = address
        self.nodes = nodes
        self.has_root = has_root

    async def request(
        self, method: str, target: str, *, body: bytes | None = None, headers: Mapping[str, str] = _JSON
    ) -> Answer:
        """Ask for ``target``, a path with its query; the answer may be of any status.

        Raises RecordError if there was none: ConnectionCut if the connection broke in the middle. Unless the error is
        ``in_doubt``, nothing of the request was sent, or nothing that changes anything. Of several nodes none may keep
        a mere question for the whole of the caller's time.
        """
        try:
            with anyio.fail_after(self._patience(method)):
                return await self._request(method, target, body, headers)
        except TimeoutError:
            raise RecordError(f"{self.address}: one of the nodes does not answer", in_doubt=False) from None

    def _patience(self, method: str) -> float | None:
        """Seconds that one node has; none if the caller's time is the limit."""
        left = anyio.current_effective_deadline() - anyio.current_time()
        return left / self.nodes if method == "GET" and self.nodes > 1 and math.isfinite(left) else None

    async def _request(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            response = await self._client.perform_request(method, target, headers=headers, body=body)
        except ApiError as error:
            meta, content = error.meta, error.body
        except TransportError as error:
            raise _translate(error) from error
        else:
            meta, content = response.meta, response.body
        wish = parse_retry_after(meta.headers.get("retry-after"), time.time())
        return Answer(_spell_node(meta.node), meta.status, content or b"", wish)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def open_cluster(settings: ElasticsearchSettings) -> Cluster:
    """Make the client; nothing is connected yet."""
    # The client tells of every node that goes and comes; the delivery says so once.
    logging.getLogger(_LOGGER).setLevel(logging.CRITICAL)
    nodes = _node_configs(settings)
    serializer = PlainSerializer()
    client = AsyncElasticsearch(
        nodes,
        node_class=node_class(settings.tls, settings.proxy, Signer(settings.aws) if settings.aws else None),
        node_pool_class=Nodes,
        serializers={"application/json": serializer, "application/x-ndjson": serializer},
        request_timeout=None,
        max_retries=0,
        meta_header=False,
        **_credentials(settings),
    )
    return Cluster(client, settings.address, len(nodes), has_root=not settings.is_collection)


def _node_configs(settings: ElasticsearchSettings) -> list[NodeConfig]:
    """One per address; the client refuses two that are the same."""
    configs = {}
    for endpoint in settings.nodes:
        configs[spell_address(endpoint)] = NodeConfig(*endpoint.origin, path_prefix=endpoint.path.rstrip("/"))
    return list(configs.values())


def _credentials(settings: ElasticsearchSettings) -> dict[str, Any]:
    if settings.basic_auth:
        return {"basic_auth": settings.basic_auth}
    if settings.api_key:
        key = settings.api_key.get_secret_value()
        return {"api_key": tuple(key.split(":", 1)) if ":" in key else key}
    if settings.bearer_token:
        return {"bearer_auth": settings.bearer_token.get_secret_value()}
    return {}


def _spell_node(config: NodeConfig) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{config.scheme}://{host}:{config.port}{config.path_prefix}"


def _translate(error: TransportError) -> RecordError:
    cause = error.__cause__
    if isinstance(cause, NothingSent):
        return RecordError(error.message, in_doubt=False)
    if isinstance(cause, ReadError) and cause.reason not in _NOT_ABOUT_SIZE:
        return ConnectionCut(error.message, in_body=isinstance(cause, BodyCut))
    return RecordError(error.message)
