"""Which words of a template a server knows: one that it does not know would have the whole template refused."""

from __future__ import annotations

from typing import NamedTuple

from ..contact import Product


class Features(NamedTuple):
    """What a server knows. One that may not say what it is gets what all of them know."""

    parts: bool = False  # component templates that need not be there, so that users can add their own
    lifecycle: bool = False  # of data streams: retention and rollover without a policy
    policies: bool = False  # of ILM
    beyond_limit: bool = False  # fields above the limit are stored without being indexed
    flat_names: bool = False  # a and a.b may both hold a value
    unindexed: bool = False  # numbers are found by their columns alone
    failure_store: bool = False
    time_series: bool = False
    stored_source: bool = False  # time series keep documents as they were sent, if they are told so


def features_of(product: Product) -> Features:
    """What is known of a product's version. OpenSearch has none of it: its policies (ISM) are a plug-in's."""
    if product.name != "elasticsearch":
        return Features()
    # Serverless is always the newest, whatever number it gives itself, and has no policies.
    version = (99, 0) if product.is_serverless else product.release
    return Features(
        parts=version >= (8, 7),
        lifecycle=version >= (8, 14),
        policies=not product.is_serverless,
        beyond_limit=version >= (8, 14),
        flat_names=version >= (8, 14),  # known since 8.3, but objects in others' mappings were refused beside it
        unindexed=version >= (8, 1),
        failure_store=version >= (9, 1) or (8, 19) <= version < (9, 0),
        time_series=version >= (8, 7),
        stored_source=version >= (8, 18),
    )
