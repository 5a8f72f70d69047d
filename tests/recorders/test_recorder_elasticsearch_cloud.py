"""Elastic Cloud: where a deployment is, from its name."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from expvastic.recorders.elasticsearch import ElasticsearchRecorder, ElasticsearchSettings
from expvastic.recorders.elasticsearch.client import _node_configs
from expvastic.recorders.elasticsearch.cloud import parse_cloud_id


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def settings(**given: Any) -> ElasticsearchSettings:
    return ElasticsearchSettings.model_validate(given)


CLOUD_ID = f"mine:{encoded('eu-central-1.aws.cloud.es.io$abc123$def456')}"


@pytest.mark.parametrize(
    ("cloud_id", "address"),
    [
        (CLOUD_ID, "https://abc123.eu-central-1.aws.cloud.es.io:443"),
        (f"mine:{encoded('cloud.es.io:9243$abc$def')}", "https://abc.cloud.es.io:9243"),
        (f"mine:{encoded('cloud.es.io$abc:9244$def:9245')}", "https://abc.cloud.es.io:9244"),
        (f"mine:{encoded('cloud.es.io$abc$')}", "https://abc.cloud.es.io:443"),
        (f"mine:{encoded('cloud.es.io$abc')}", "https://abc.cloud.es.io:443"),
        (f"{encoded('cloud.es.io$abc$def')}", "https://abc.cloud.es.io:443"),
        (f"a:b:{encoded('cloud.es.io$abc$def').rstrip('=')}\n", "https://abc.cloud.es.io:443"),
    ],
)
def test_a_cloud_id_holds_an_address(cloud_id: str, address: str) -> None:
    assert parse_cloud_id(cloud_id).address == address


@pytest.mark.parametrize(
    "cloud_id",
    [
        "",
        "mine",
        "mine:",
        CLOUD_ID[:-30],
        f"{CLOUD_ID[:20]} {CLOUD_ID[20:]}",
        "mine:é",
        f"mine:{encoded('')}",
        f"mine:{encoded('cloud.es.io')}",
        f"mine:{encoded('$abc$def')}",
        f"mine:{encoded('cloud.es.io$$def')}",
        f"mine:{encoded('cloud.es.io:x$abc$def')}",
        f"mine:{encoded('cloud.es.io:99999$abc$def')}",
        f"mine:{encoded('me:pw@evil/$abc$def')}",
        f"mine:{encoded('évil$abc$def')}",
        f"mine:{encoded('-.io$abc$def')}",
    ],
)
def test_a_damaged_cloud_id_is_one_complaint(cloud_id: str) -> None:
    with pytest.raises(ValidationError) as raised:
        settings(cloud_id=cloud_id)

    [complaint] = raised.value.errors()
    assert complaint["loc"] == ("cloud_id",)
    assert complaint["msg"].endswith("is damaged; copy it whole from the deployment's page, as NAME:BASE64")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cloud_id": CLOUD_ID, "endpoint": "https://a"}, "give either endpoint or cloud_id"),
        ({}, "endpoint is missing; write where the cluster listens, or give cloud_id"),
    ],
)
def test_a_cluster_is_found_in_one_way(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        settings(**given)

    [complaint] = raised.value.errors()
    assert words in complaint["msg"]


def test_a_deployment_is_reached_like_any_endpoint() -> None:
    given = settings(cloud_id=CLOUD_ID, api_key="id:key", fingerprint="ab" * 32)
    [node] = _node_configs(given)

    assert ElasticsearchRecorder(given).destination == (
        "https://abc123.eu-central-1.aws.cloud.es.io:443/metrics-expvastic-default"
    )
    assert (node.scheme, node.host, node.port) == ("https", "abc123.eu-central-1.aws.cloud.es.io", 443)


@pytest.mark.parametrize(
    ("given", "compress"),
    [
        ({"cloud_id": CLOUD_ID}, True),
        ({"cloud_id": CLOUD_ID, "compress": False}, False),
        ({"endpoint": "https://a"}, False),
    ],
)
def test_what_goes_to_a_cloud_is_compressed_unless_told_otherwise(given: dict[str, Any], compress: bool) -> None:
    assert settings(**given).compress is compress
