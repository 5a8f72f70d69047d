"""expvastic polls JSON status pages and ships them, exactly, to Elasticsearch, OpenSearch, files and consoles."""

__version__ = "0.1.0"
