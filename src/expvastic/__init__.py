"""expvastic polls JSON status pages and ships them, exactly, to Elasticsearch, OpenSearch, files and consoles.

The map of the house, in the order in which a page meets its rooms::

    pipeline      opens what the routes name, wires it, runs it, closes it
    engine        one reader's loop: wait, read, interpret, offer          pacing: when, as numbers
    reader        what a reader is                                         readers/ over clients/
    interpreter   from a reading to containers                             pages/: what a page means
    document      a container's document, encoded once                     datatypes: what flows
    delivery      one recorder's worker: batch, retry, drop, rejoin        waiting, outcomes/
    buffer        what a buffer is                                         buffers/
    recorder      what a recorder is                                       recorders/

    config/       a YAML file to plans            routes     who goes where, deduplicated
    shards        which process polls what        surplus    what processes left that are gone
    workers/      several processes, one status   cores      how many may be used
    telemetry     what is known of this process   accounts   the same as names and numbers
    views/        telemetry as text               listener/  serves the views
    settings      how settings are written        errors     what can go wrong, and what is done about it
    registry      types by name, imported late
    logs          readable or JSON, no secrets    cli/       the commands
    dashboards/   what Kibana and others show

A module imports only from rungs below its own; ``tests/test_architecture.py`` draws the ladder and keeps it.
"""

__version__ = "0.1.0"
