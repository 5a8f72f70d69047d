"""Dashboards: what is shown (``panels``), kept as Kibana's objects, and spelled for OpenSearch and Grafana too.

``source`` finds the shipped file, ``kibana`` makes importable lines of its objects, ``parse`` and ``lens`` go between
its Lens panels and ours, ``opensearch`` and ``grafana`` say the same to others. ``published`` makes a dashboard of
what readers publish, ``upload`` gives one to a Kibana.
"""
