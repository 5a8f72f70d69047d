"""TLS contexts: shared where settings and files are equal, and one line for files that cannot be used."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from expvastic.clients.tls import Tls, client_context, parse_fingerprint, unused_context


def tls_of(**files: Any) -> Tls:
    return Tls(**files)


def test_equal_settings_share_a_context(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert_file, key_file = authority.client_files()

    first = client_context(Tls(authority.ca_file, cert_file, key_file))

    assert client_context(Tls(authority.ca_file, cert_file, key_file)) is first
    assert client_context(Tls(authority.ca_file)) is not first


def test_without_any_settings_the_system_s_authorities_are_asked_and_shared() -> None:
    context = client_context(Tls())

    assert client_context(Tls()) is context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.cert_store_stats()["x509_ca"] > 0


def test_on_a_system_without_authorities_there_still_are_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca_file = Authority(tmp_path).ca_file  # a setting that nobody has, for a context of our own
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "empty"))
    (tmp_path / "empty").mkdir()

    context = client_context(Tls(cert_file=None, verify=True, key_file=ca_file))

    assert context.cert_store_stats()["x509_ca"] > 10


def test_a_file_that_changed_makes_a_new_context(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(Authority(tmp_path, "old").ca_file).read_bytes())
    old = client_context(Tls(str(path)))

    path.write_bytes(Path(Authority(tmp_path, "new").ca_file).read_bytes() * 2)

    assert client_context(Tls(str(path))) is not old


def test_nobody_is_trusted_by_an_unused_context() -> None:
    context = unused_context()

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509"] == 0


@pytest.mark.parametrize(
    ("tls", "checks_chain"),
    [
        (Tls(), True),
        (Tls(ca_file="x"), True),
        (Tls(fingerprint="ab"), False),
        (Tls(fingerprint="ab", ca_file="x"), True),
        (Tls(verify=False), False),
        (Tls(verify=False, ca_file="x"), False),
    ],
)
def test_the_chain_is_checked_unless_a_fingerprint_stands_in_or_nothing_is_verified(
    tls: Tls, checks_chain: bool
) -> None:
    assert tls.checks_chain is checks_chain


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_a_file_that_is_not_there_is_named_with_its_setting(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} /nowhere/x.pem: No such file or directory$"):
        client_context(tls_of(**{name: "/nowhere/x.pem"}))


@pytest.mark.parametrize("name", ["ca_file", "cert_file"])
def test_a_file_that_holds_something_else_is_named_with_its_setting(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.pem"
    path.write_text("not a certificate")

    with pytest.raises(ValueError, match=f"^{name} {path}: .*PEM") as caught:
        client_context(tls_of(**{name: str(path)}))

    assert "\n" not in str(caught.value)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    cert_file, _ = Authority(tmp_path, "one").client_files()
    _, key_file = Authority(tmp_path, "two").client_files()

    with pytest.raises(ValueError, match=r"cert_file .* and key_file"):
        client_context(Tls(cert_file=cert_file, key_file=key_file))


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_passphrase(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    cert_file, key_file = Authority(tmp_path).client_files()
    key = load_pem_private_key(Path(key_file).read_bytes(), None)
    Path(key_file).write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))
    )

    with pytest.raises(ValueError, match="encrypted"):
        client_context(Tls(cert_file=cert_file, key_file=key_file))


def test_a_fingerprint_is_read_in_every_spelling() -> None:
    digits = "0123456789abcdef" * 4
    colons = ":".join(digits[at : at + 2] for at in range(0, 64, 2))

    assert {parse_fingerprint(text) for text in (digits, digits.upper(), colons, f" {colons.upper()}\n")} == {digits}


@pytest.mark.parametrize("text", ["", "ab", "ab" * 20, "ab" * 33, "g" * 64, "sha256:" + "ab" * 32])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        parse_fingerprint(text)
