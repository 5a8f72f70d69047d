"""Which names a page may not use at the top level of a document, and where they go instead."""

from __future__ import annotations

# The field sets of ECS 9 (elastic.co/docs/reference/ecs), with the fields that stand outside of any set.
ECS_ROOTS = frozenset(
    """@timestamp agent as client cloud code_signature container data_stream destination device dll dns ecs elf email
    entity error event faas file gen_ai geo group hash host http interface labels log macho message network observer
    orchestrator organization os package pe process registry related risk rule server service source span tags threat
    tls trace transaction url user user_agent vlan volume vulnerability x509""".split()
)
SHELTER = "expvar"  # where reserved names are moved


def is_reserved(name: str) -> bool:
    """Whether a dotted name would stand where ECS or Elasticsearch itself has a meaning for it."""
    root = name.partition(".")[0]
    return root in ECS_ROOTS or root.startswith("_") or not root
