"""The ``elasticsearch`` recorder, for Elasticsearch and OpenSearch."""

from .recorder import ElasticsearchRecorder as ElasticsearchRecorder
from .settings import ElasticsearchSettings as ElasticsearchSettings
