"""Dashboards are given to a Kibana, and whatever stands in the way is said in one line."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from certificates import Authority
from expvastic.cli import main
from expvastic.clients.endpoint import parse_endpoint
from expvastic.dashboards.kibana import to_lines
from expvastic.dashboards.source import shipped_objects
from expvastic.dashboards.upload import Kibana, upload
from expvastic.errors import ExpvasticError
from program import run
from scripted_http import HANG, RESET, Answer, AnyAnswer, Raw, Request, Script, ScriptedServer

KBN = {"kbn-name": "kibana-1", "kbn-license-sig": "x"}
NAMES = [f"{each['type']}:{each['id']}" for each in shipped_objects()]


def status(number: str = "9.2.0", code: int = 200) -> Answer:
    body: dict[str, object] = {"name": "kibana-1", "version": {"number": number}, "status": {"overall": {}}}
    return Answer(body, code, KBN)


def imported(**answer: Any) -> Answer:
    return Answer({"success": True, "successCount": len(NAMES), **answer}, 200, KBN)


def kibana(answer: AnyAnswer, first: AnyAnswer | None = None) -> Callable[[Request], AnyAnswer]:
    """A Kibana that tells its status, and has an answer to the import."""
    return lambda request: (first or status()) if request.path.endswith("/api/status") else answer


async def give(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = partial(run, "dashboard", "import", *arguments, folder=folder)
    return await anyio.to_thread.run_sync(command)


async def test_everything_is_posted_as_kibana_wants_it(tmp_path: Path) -> None:
    async with ScriptedServer(kibana(imported())) as server:
        done = await give(tmp_path, "--kibana", server.url)

    _, request = server.requests
    assert (request.method, request.path) == ("POST", "/api/saved_objects/_import?overwrite=true")
    assert request.headers["kbn-xsrf"]
    assert "authorization" not in request.headers
    head, _, rest = request.body.decode().partition("\r\n\r\n")
    assert 'name="file"; filename="dashboard.ndjson"' in head
    assert rest.partition("\r\n--")[0] == to_lines(shipped_objects())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{name}: imported" for name in NAMES]


@pytest.mark.parametrize(
    ("space", "base", "path"),
    [
        ("team a", "", "/s/team%20a/api/saved_objects/_import?overwrite=true"),
        ("default", "", "/api/saved_objects/_import?overwrite=true"),
        ("ops", "/kibana/", "/kibana/s/ops/api/saved_objects/_import?overwrite=true"),
        ("", "/s/ops", "/s/ops/api/saved_objects/_import?overwrite=true"),
        ("", "/my/app", "/my/app/api/saved_objects/_import?overwrite=true"),
    ],
)
async def test_a_space_and_a_base_path_are_in_the_address(space: str, base: str, path: str, tmp_path: Path) -> None:
    async with ScriptedServer(kibana(imported())) as server:
        done = await give(tmp_path, "--kibana", server.url + base, "--space", space)

    assert server.requests[-1].path == path
    assert done.returncode == 0


async def test_a_user_and_password_are_sent(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("gehéim\n", encoding="utf-8")
    async with ScriptedServer(kibana(imported())) as server:
        await give(tmp_path, "--kibana", server.url, "--username", "me", "--password-file", "password")

    expected = "Basic " + base64.b64encode("me:gehéim".encode()).decode()
    assert [request.headers["authorization"] for request in server.requests] == [expected] * 2


@pytest.mark.parametrize("written", ["aWQ6a2V5", "id:key\n"])
async def test_an_api_key_is_sent_in_either_form(written: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(written)
    async with ScriptedServer(kibana(imported())) as server:
        await give(tmp_path, "--kibana", server.url, "--api-key-file", "key")

    assert {request.headers["authorization"] for request in server.requests} == {"ApiKey aWQ6a2V5"}


async def test_credentials_in_the_address_are_sent_and_not_told(tmp_path: Path) -> None:
    answer = Answer({"statusCode": 401, "message": "no"}, 401, KBN)
    async with ScriptedServer(answer) as server:
        done = await give(tmp_path, "--kibana", f"http://me:secret@{server.endpoint}")

    assert server.requests[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert "secret" not in done.stdout + done.stderr


async def test_the_indices_to_show_can_be_others(tmp_path: Path) -> None:
    async with ScriptedServer(kibana(imported())) as server:
        await give(tmp_path, "--kibana", server.url, "--index", "mine-*")

    assert b'"title":"mine-*"' in server.requests[1].body


async def test_a_file_can_be_given_in_the_place_of_the_shipped_dashboards(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text('{"type":"dashboard","id":"mine"}\n')
    async with ScriptedServer(kibana(imported())) as server:
        done = await give(tmp_path, "--kibana", server.url, "--file", "mine")

    assert (done.returncode, done.stdout) == (0, "dashboard:mine: imported\n")
    assert b'\r\n\r\n{"type":"dashboard","id":"mine"}\n\r\n' in server.requests[1].body


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[1]", "mine: is no export for Kibana"),
        (b"nonsense", "mine: is no export for Kibana"),
        (b'{"type": "dashboard"}', "mine: is no export for Kibana"),
        (b"\xff", "mine: is not text"),
        (None, "mine: No such file or directory"),
    ],
)
async def test_a_file_that_is_none_is_one_line_and_nobody_is_asked(
    content: bytes | None, complaint: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "mine").write_bytes(content)
    async with ScriptedServer(kibana(imported())) as server:
        done = await give(tmp_path, "--kibana", server.url, "--file", "mine")

    assert (done.returncode, done.stdout, server.requests) == (1, "", [])
    assert done.stderr.startswith(f"expvastic: dashboard: {complaint}")
    assert done.stderr.count("\n") == 1


async def test_refused_objects_are_named_with_the_reason_and_the_code_is_1(tmp_path: Path) -> None:
    missing = {"type": "missing_references", "references": [{"type": "index-pattern", "id": "x"}]}
    errors = [
        {"type": "dashboard", "id": "expvastic-own", "error": missing},
        {"type": "dashboard", "id": "expvastic-services", "error": {"type": "unsupported_type"}},
        {"type": "lens", "id": "other", "error": {"type": "unknown", "message": "bad\x1b[2J"}},
        {"type": "tag", "id": "strange", "error": "no"},
        "nonsense",
    ]
    async with ScriptedServer(kibana(imported(success=False, errors=errors))) as server:
        done = await give(tmp_path, "--kibana", server.url)

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "index-pattern:expvastic-metrics: imported",
        "dashboard:expvastic-go-runtime: imported",
        "dashboard:expvastic-own: refused: missing references index-pattern:x",
        "dashboard:expvastic-services: refused: unsupported type",
        "lens:other: refused: unknown bad\\x1b[2J",
        "tag:strange: refused: no reason given",
    ]
    assert done.stderr == f"expvastic: dashboard import: {server.url} refused 4 of 6 objects\n"


async def test_a_kibana_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expvastic.dashboards.upload._TIMEOUT", 0.05)
    async with ScriptedServer(HANG) as server:
        place = Kibana(parse_endpoint(server.url))
        with pytest.raises(ExpvasticError, match=r"no answer within 0\.05 s"):
            await anyio.to_thread.run_sync(upload, place, "", ())


async def test_an_authority_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    done = await give(tmp_path, "--kibana", "https://127.0.0.1:1", "--ca-file", "none.pem")

    assert (done.returncode, done.stderr) == (
        1,
        "expvastic: dashboard import: ca_file none.pem: No such file or directory\n",
    )


@pytest.mark.parametrize(
    ("url", "warning"),
    [
        ("http://me:secret@kibana.example", "expvastic: credentials go to kibana.example in clear text; use https\n"),
        ("http://kibana.example", ""),
        ("https://me:secret@kibana.example", ""),
        ("http://me:secret@localhost", ""),
    ],
)
def test_credentials_in_clear_text_are_warned_of(
    url: str, warning: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("expvastic.dashboards.upload.upload", lambda *_: [])

    assert main(["dashboard", "import", "--kibana", url]) == 0
    assert capsys.readouterr().err == warning


OBJECT = '{"type":"dashboard","id":"mine","attributes":{"title":"x"},"references":[]}'


@pytest.mark.parametrize(
    "text",
    [OBJECT, OBJECT + "\r\n", "\ufeff" + OBJECT + "\n\n", OBJECT + '\n{"exportedCount":1,"missingRefCount":0}\n'],
    ids=["bare", "of Windows", "with a mark", "of Kibana"],
)
async def test_a_file_that_kibana_or_somebody_else_wrote_is_given(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.ndjson").write_bytes(text.encode())
    async with ScriptedServer(kibana(imported())) as server:
        twice = [await give(tmp_path, "--kibana", server.url, "--file", "mine.ndjson") for _ in range(2)]

    assert [(done.returncode, done.stdout, done.stderr) for done in twice] == [
        (0, "dashboard:mine: imported\n", ""),
    ] * 2
    assert OBJECT in server.requests[-1].body.decode()
    assert "overwrite=true" in server.requests[-1].path


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no objects; write them by dashboard build"),
        ('{"exportedCount":0}', "holds no objects"),
        ("{", "is no export for Kibana"),
        ("[]", "is no export for Kibana"),
        ('{"objects": []}', "is no export for Kibana"),
        ("\xff", "is not text"),
    ],
)
def test_a_file_that_holds_nothing_for_kibana_is_one_line(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "mine.ndjson").write_bytes(text.encode("latin-1"))

    done = run("dashboard", "import", "--kibana", "http://127.0.0.1:1", "--file", "mine.ndjson", folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


async def test_an_import_that_failed_without_a_reason_is_no_success(tmp_path: Path) -> None:
    async with ScriptedServer(kibana(imported(success=False))) as server:
        done = await give(tmp_path, "--kibana", server.url)

    assert done.returncode == 1
    assert "does not say why" in done.stderr


HTML = Answer("<html>", 200, {"content-type": "text/html"})
ELASTICSEARCH = Answer({"error": {}, "status": 400}, 400, {"x-elastic-product": "Elasticsearch"})
LOGIN = "needs a login; give --username and --password-file, or --api-key-file"
REDACTED = Answer({"status": {"overall": {"level": "available"}}}, 200, KBN)  # to who is not logged in


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (HTML, "is not Kibana: it answered 200 with text/html; give Kibana's address"),
        (ELASTICSEARCH, "is Elasticsearch, not Kibana"),
        (Answer("<html>", 401, {"www-authenticate": "Basic", "content-type": "text/html"}), LOGIN),
        (Answer(b"", 404), "is not Kibana: it answered 404"),
        (Answer([1]), "is not Kibana"),
        (Answer({"version": "9"}), "is not Kibana"),
        (Answer({"version": {"number": "3.1.0"}, "status": {}}, 200, {"osd-name": "x"}), "is OpenSearch Dashboards"),
        (Answer({"message": "Unauthorized"}, 401, KBN), LOGIN),
        (Answer("", 302, {"location": "/login?next=%2Fapi%2Fstatus", **KBN}), LOGIN),
        (Answer("", 302, {"location": "/abc/api/status", **KBN}), "sends us on to /abc/api/status; give that address"),
        (Answer({"message": "Forbidden"}, 403, KBN), "Saved Objects Management: All"),
        (status("8.8.2"), "is version 8.8.2; these dashboards need 8.9 or newer"),
        (status("7.17.29"), "is version 7.17.29; these dashboards need 8.9 or newer"),
        (status(code=503), "is not ready yet"),
        (Answer("Kibana server is not ready yet", 503, KBN), "is not ready yet"),
        (kibana(Answer({"message": "Unauthorized"}, 401, KBN), REDACTED), LOGIN),
        (kibana(Answer({"message": "Unable to bulk_create"}, 403, KBN)), "Saved Objects Management: All"),
        (kibana(Answer({"message": "Not Found"}, 404, KBN)), "has no way to import"),
        (kibana(Answer({"message": "Document x belongs\nto a more recent version"}, 422, KBN)), "x belongs to a more"),
        (kibana(Answer("too large", 413, {**KBN, "content-type": "text/plain"})), "it answered 413 with text/plain"),
        (kibana(Answer({"ok": True}, 200, KBN)), "refused the import: it answered 200"),
        (RESET, "cannot be reached"),
        (Raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "cannot be reached"),
    ],
)
async def test_what_stands_in_the_way_is_one_line_and_code_1(script: Script, complaint: str, tmp_path: Path) -> None:
    async with ScriptedServer(script) as server:
        done = await give(tmp_path, "--kibana", server.url)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"expvastic: dashboard import: {server.url} ")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


async def test_wrong_credentials_are_told_from_none(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    async with ScriptedServer(Answer({}, 401, KBN)) as server:
        done = await give(tmp_path, "--kibana", server.url, "--username", "me", "--password-file", "password")

    assert "refuses these credentials" in done.stderr


async def test_a_space_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with ScriptedServer(Answer({"message": "Not Found"}, 404, KBN)) as server:
        done = await give(tmp_path, "--kibana", server.url, "--space", "nowhere")

    assert "has no space 'nowhere'" in done.stderr


async def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        url = server.url

    done = await give(tmp_path, "--kibana", url)

    assert done.returncode == 1
    assert done.stderr.startswith(f"expvastic: dashboard import: {url} cannot be reached (")
    assert done.stderr.count("\n") == 1


async def test_a_certificate_is_trusted_by_its_authority_and_by_no_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with ScriptedServer(kibana(imported()), tls=authority.server()) as server:
        trusted = await give(tmp_path, "--kibana", server.url, "--ca-file", str(authority.ca_file))
        distrusted = await give(tmp_path, "--kibana", server.url)

    assert trusted.returncode == 0
    assert distrusted.returncode == 1
    assert "--ca-file" in distrusted.stderr
    assert distrusted.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "required: --kibana"),
        (["--kibana", "http://[x"], "dashboard import --kibana: "),
        (["--kibana", "unix:///run/x"], "must be http or https"),
        (["--kibana", "http://h:5601/app/dashboards#/list?_g=(a:b)"], "is a page of Kibana's; give its address alone"),
        (["--kibana", "http://h:5601/kibana/s/ops/app/home"], "is a page of Kibana's"),
        (["--kibana", "http://h:5601/?x=1"], "has a query; give Kibana's address alone"),
        (["--kibana", "http://h:5601/s/ops/", "--space", "ops"], "names a space, and so does --space"),
        (["--kibana", "h", "--index", ""], "dashboard --index: must be patterns of indices"),
        (["--kibana", "h", "--index", "a,,b"], "dashboard --index: must be patterns of indices"),
        (["--kibana", "h", "--index", "a b"], "hold no blank"),
        (["--kibana", "h", "--index", 'a"b'], "hold no blank"),
        (["--kibana", "h", "--index", "a\nb"], "hold no blank"),
        (["--kibana", "h", "--username", "me"], "needs --password-file"),
        (["--kibana", "h", "--password-file", "ok"], "needs --username"),
        (["--kibana", "h", "--api-key-file", "none"], "none: No such file"),
        (["--kibana", "h", "--api-key-file", "empty"], "empty: must hold one line of text"),
        (["--kibana", "h", "--api-key-file", "two"], "two: must hold one line of text"),
        (["--kibana", "h", "--api-key-file", "binary"], "binary: is not text"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    for name, content in {"ok": b"x", "empty": b"\n", "two": b"a\nb", "binary": b"\xff"}.items():
        (tmp_path / name).write_bytes(content)

    done = run("dashboard", "import", *arguments, folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_lines_are_posted_in_one_piece_that_kibana_takes_by_default() -> None:
    """Kibana's own limit is 25 MiB."""
    assert len(to_lines(shipped_objects()).encode()) < 2**20
    assert json.loads(to_lines(shipped_objects()).splitlines()[0])["type"] == "index-pattern"
