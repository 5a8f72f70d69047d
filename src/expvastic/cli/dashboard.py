"""``dashboard``: the shipped dashboards as files or into a Kibana, and one made of what readers publish."""

from __future__ import annotations

import argparse
import base64
import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from ..clients.endpoint import Endpoint, parse_endpoint
from ..dashboards.kibana import dashboard_object, data_view_object, to_lines
from ..dashboards.panels import Dashboard, DataView
from ..dashboards.parse import parse_objects
from ..dashboards.source import shipped_objects
from ..errors import Complaint, ConfigError, ExpvasticError
from ..logs import visible
from .flags import say

_FORBIDDEN = ' \\/?"<>|'


def main(options: argparse.Namespace) -> int:
    """Do what is asked for. Raises ExpvasticError with one line if it cannot be done."""
    _check_pattern(options.index)
    if options.action == "import":
        return _import(options)
    if options.action == "export":
        view, dashboards = parse_objects(shipped_objects())
        _write(_spell(options, view, dashboards), options.output)
        return 0
    return _build(options)


def _check_pattern(pattern: str | None) -> None:
    """Raise ConfigError for a pattern that Kibana's data views cannot have."""
    if pattern is None:
        return
    if not all(pattern.split(",")) or any(
        character in _FORBIDDEN or not character.isprintable() for character in pattern
    ):
        rule = f"must be patterns of indices with commas between them, and hold no blank nor any of {_FORBIDDEN[1:]}"
        raise ConfigError([Complaint("dashboard --index", rule)])


def _build(options: argparse.Namespace) -> int:
    """The file is written even if some reader could not be polled; but then that is said, and the code is 1."""
    from ..dashboards.published import data_view
    from .polling import poll_readers

    published, failures = poll_readers(options)
    shipped, _ = parse_objects(shipped_objects())
    name = Path(options.config).stem
    title = "Published by " + ", ".join(published.services)
    _write(_spell(options, data_view(name, shipped.title), [published.dashboard(name, title)]), options.output)
    for line in failures:
        _remark(line)
    if published.left_out:
        _remark(f"{published.left_out} panels are left out; select what is shipped by include and exclude")
    return 1 if failures else 0


def _spell(options: argparse.Namespace, view: DataView, dashboards: Iterable[Dashboard]) -> str:
    """The text of the file for a target."""
    dashboards = list(dashboards)
    view = dataclasses.replace(view, title=options.index or view.title)
    if options.target == "opensearch":
        from ..dashboards.opensearch import opensearch_lines

        return opensearch_lines(view, dashboards)
    if options.target == "grafana":
        from ..dashboards.grafana import grafana_dashboard

        title = "expvastic" if len(dashboards) > 1 else dashboards[0].title
        return json.dumps(grafana_dashboard(title, dashboards), indent=1, ensure_ascii=False) + "\n"
    return to_lines([data_view_object(view), *(dashboard_object(each, view.id) for each in dashboards)])


def _write(text: str, output: str | None) -> None:
    if output is None or output == "-":
        sys.stdout.write(text)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ExpvasticError(f"dashboard: {output}: {error.strerror or error}") from error


def _import(options: argparse.Namespace) -> int:
    from ..dashboards.upload import Kibana, upload

    endpoint = _endpoint(options.kibana, options.space)
    username, password, api_key = _credentials(options, endpoint)
    if (username or api_key) and endpoint.scheme == "http" and not endpoint.is_loopback:
        _remark(f"credentials go to {endpoint.host} in clear text; use https")
    space = "" if options.space == "default" else options.space
    kibana = Kibana(endpoint, space, username, password, api_key, options.ca_file)
    lines = _read(options.file) if options.file else _spell(options, *parse_objects(shipped_objects()))
    outcomes = upload(kibana, lines, _names(lines, options.file))
    for outcome in outcomes:
        say(visible(f"{outcome.name}: {f'refused: {outcome.refusal}' if outcome.refusal else 'imported'}"))
    refused = sum(bool(outcome.refusal) for outcome in outcomes)
    if refused:
        sys.stdout.flush()
        raise ExpvasticError(f"dashboard import: {kibana.address} refused {refused} of {len(outcomes)} objects")
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ExpvasticError(f"dashboard: {path}: {getattr(error, 'strerror', None) or 'is not text'}") from error


def _names(lines: str, path: str) -> list[str]:
    """The objects in the lines, as ``type:id``; Kibana's own exports end in a line that counts them."""
    try:
        objects = [json.loads(line) for line in lines.split("\n") if line.strip()]
        names = [f"{each['type']}:{each['id']}" for each in objects if "exportedCount" not in each]
    except (ValueError, TypeError, KeyError) as error:
        raise ExpvasticError(f"dashboard: {path}: is no export for Kibana; write one by dashboard build") from error
    if not names:
        raise ExpvasticError(f"dashboard: {path}: holds no objects; write them by dashboard build")
    return names


def _endpoint(text: str, space: str) -> Endpoint:
    try:
        endpoint = parse_endpoint(text)
    except ValueError as error:
        raise ConfigError([Complaint("dashboard import --kibana", str(error))]) from None
    if rule := _rule_broken(endpoint, space):
        raise ConfigError([Complaint("dashboard import --kibana", rule)])
    return endpoint


def _rule_broken(endpoint: Endpoint, space: str) -> str:
    """What is wrong with an address, which people copy from their browser; empty if nothing is."""
    *folders, _ = endpoint.path.partition("?")[0].split("/")
    if endpoint.scheme == "unix":
        return "must be http or https"
    if "app" in folders:
        return "is a page of Kibana's; give its address alone, without /app and what follows"
    if "?" in endpoint.path:
        return "has a query; give Kibana's address alone"
    if space and "/s/" in endpoint.path:
        return "names a space, and so does --space; give one of them"
    return ""


def _credentials(options: argparse.Namespace, endpoint: Endpoint) -> tuple[str, str, str]:
    """User, password and API key: those of the options, else those of the address."""
    api_key = _secret(options.api_key_file, "--api-key-file")
    password = _secret(options.password_file, "--password-file")
    if options.username and not options.password_file:
        raise ConfigError([Complaint("dashboard import --username", "needs --password-file")])
    if options.password_file and not options.username:
        raise ConfigError([Complaint("dashboard import --password-file", "needs --username")])
    if ":" in api_key:  # id and key, as Elasticsearch tells them
        api_key = base64.b64encode(api_key.encode()).decode()
    if options.username or api_key:
        return options.username or "", password, api_key
    return endpoint.username or "", endpoint.password.get_secret_value() if endpoint.password else "", ""


def _secret(path: str | None, option: str) -> str:
    if path is None:
        return ""
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "is not text"
        raise ConfigError([Complaint(f"dashboard import {option}", f"{path}: {why}")]) from None
    if not secret or not secret.isprintable():
        raise ConfigError([Complaint(f"dashboard import {option}", f"{path}: must hold one line of text")])
    return secret


def _remark(text: str) -> None:
    print(visible(f"expvastic: {text}"), file=sys.stderr)  # noqa: T201  # a command's answer
