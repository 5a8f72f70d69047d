"""The official client as this recorder uses it: plain requests, whole answers whatever their status, our errors.

Loaded when a cluster is contacted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from elastic_transport import NodeConfig
from elasticsearch import ApiError, AsyncElasticsearch, TransportError

from ...errors import ReadError, RecordError
from .answers import Answer, ConnectionCut, parse_retry_after
from .settings import ElasticsearchSettings, spell_address
from .wire import BodyCut, NothingSent, PlainSerializer, node_class

_LOGGER = "elastic_transport"
_JSON = {"accept": "application/json", "content-type": "application/json"}
_NOT_ABOUT_SIZE = {"connect", "dns", "proxy", "tls"}


class Cluster:
    """One cluster: a request goes to one of its nodes, which the client chooses among those that it believes alive."""

    def __init__(self, client: AsyncElasticsearch, address: str, nodes: int) -> None:
        self._client = client
        self.address = address
        self.nodes = nodes

    async def request(
        self, method: str, target: str, *, body: bytes | None = None, headers: Mapping[str, str] = _JSON
    ) -> Answer:
        """Ask for ``target``, a path with its query; the answer may be of any status.

        Raises RecordError if there was none: ConnectionCut if the connection broke in the middle. Unless the error is
        ``in_doubt``, nothing of the request was sent.
        """
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
        node_class=node_class(settings.tls, settings.proxy),
        serializers={"application/json": serializer, "application/x-ndjson": serializer},
        request_timeout=None,
        max_retries=0,
        meta_header=False,
        **_credentials(settings),
    )
    return Cluster(client, settings.address, len(nodes))


def _node_configs(settings: ElasticsearchSettings) -> list[NodeConfig]:
    """One per address; the client refuses two that are the same."""
    configs = {}
    for endpoint in settings.endpoint:
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
