"""The official client's transport as this recorder uses it: plain requests, whole answers, our errors.

Loaded when a cluster is contacted. What the client itself would add around its transport is left away: versioned media
types, which Elasticsearch 8 refuses from a client of 9, and OpenSearch always; a header of the product, which
OpenSearch and proxies leave out; a method for each of the API's requests, of which none is used, and which take 7 MB
and a tenth of a second.
"""

from __future__ import annotations

import base64
import logging
import math
import time
from collections.abc import Mapping

import anyio
from elastic_transport import AsyncTransport, NodeConfig, TransportError

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

    def __init__(
        self, transport: AsyncTransport, address: str, nodes: int, *, authorization: str = "", has_root: bool = True
    ) -> None:
        self._transport = transport
        self._authorization = {"authorization": authorization} if authorization else {}
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
        sent = {**headers, **self._authorization}
        try:
            meta, content = await self._transport.perform_request(method, target, headers=sent, body=body)
        except TransportError as error:
            raise _translate(error) from error
        wish = parse_retry_after(meta.headers.get("retry-after"), time.time())
        return Answer(_spell_node(meta.node), meta.status, content or b"", wish)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()


def open_cluster(settings: ElasticsearchSettings) -> Cluster:
    """Make the transport; nothing is connected yet."""
    # The transport tells of every node that goes and comes; the delivery says so once.
    logging.getLogger(_LOGGER).setLevel(logging.CRITICAL)
    nodes = _node_configs(settings)
    serializer = PlainSerializer()
    transport = AsyncTransport(
        nodes,
        node_class=node_class(settings.tls, settings.proxy, Signer(settings.aws) if settings.aws else None),
        node_pool_class=Nodes,
        serializers={"application/json": serializer, "application/x-ndjson": serializer},
        max_retries=0,
        meta_header=False,
    )
    has_root = not settings.is_collection
    return Cluster(transport, settings.address, len(nodes), authorization=_authorization(settings), has_root=has_root)


def _node_configs(settings: ElasticsearchSettings) -> list[NodeConfig]:
    """One per address; the transport refuses two that are the same."""
    configs = {}
    for endpoint in settings.nodes:
        configs[spell_address(endpoint)] = NodeConfig(*endpoint.origin, path_prefix=endpoint.path.rstrip("/"))
    return list(configs.values())


def _authorization(settings: ElasticsearchSettings) -> str:
    """The header of that name; empty without credentials."""
    if settings.basic_auth:
        return f"Basic {_packed(':'.join(settings.basic_auth))}"
    if settings.api_key:
        key = settings.api_key.get_secret_value()
        return f"ApiKey {_packed(key) if ':' in key else key}"
    if settings.bearer_token:
        return f"Bearer {settings.bearer_token.get_secret_value()}"
    return ""


def _packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


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
