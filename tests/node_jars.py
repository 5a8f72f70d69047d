"""The jars that make a node: from Maven's own store or from Maven Central, with a launcher of ours compiled to them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from real_parts import CACHE, Unavailable, locked

SOURCES = Path(__file__).resolve().parent / "nodes"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


@dataclass(frozen=True, slots=True)
class Product:
    """One version of one server: its jars by Maven, its launcher's folder and main class, the JDK it needs."""

    name: str
    pom: str
    version: str
    launcher: str
    main: str
    java: int
    http: str = "transport-netty4"


PRODUCTS = {
    product.name: product
    for product in (
        Product("es9", "elasticsearch.pom.xml", "9.5.3", "elasticsearch", "org.elasticsearch.node.LocalNode", 21),
        Product("es8", "elasticsearch.pom.xml", "8.19.21", "elasticsearch", "org.elasticsearch.node.LocalNode", 17),
        Product(
            *("es7", "elasticsearch.pom.xml", "7.17.29", "elasticsearch7", "local.LocalNode", 17),
            http="transport-netty4-client",
        ),
        Product("os3", "opensearch.pom.xml", "3.8.0", "opensearch", "local.LocalNode", 21),
        Product("os2", "opensearch.pom.xml", "2.19.6", "opensearch", "local.LocalNode", 17),
    )
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a node's process is started from."""

    java: Path
    java_version: int
    jars: Path
    launcher: Path

    @property
    def class_path(self) -> str:
        return ":".join([str(self.launcher), *sorted(map(str, self.jars.glob("*.jar")))])


def find_parts(product: Product, *, download: bool = False) -> Parts:
    """Everything that the product needs, fetched and compiled where it is not there yet; raises Unavailable."""
    home, version = find_jdk(product.java)
    jars = _find_jars(product, download)
    return Parts(home / "bin" / "java", version, jars, _compile_launcher(product, jars, home, version))


def find_jdk(minimum: int) -> tuple[Path, int]:
    """The oldest JDK that is new enough; raises Unavailable."""
    named = [value for key, value in os.environ.items() if re.fullmatch(r"JAVA_HOME(_\d+_\w+)?", key)]
    if on_path := shutil.which("javac"):
        named.append(str(Path(on_path).resolve().parent.parent))
    usual = [*Path("/usr/lib/jvm").glob("*"), *Path("/Library/Java/JavaVirtualMachines").glob("*/Contents/Home")]
    homes = {path.resolve() for path in [*map(Path, named), *usual]}
    found = [(version, home) for home in homes if (version := _jdk_version(home)) >= minimum]
    if not found:
        raise Unavailable(f"no JDK {minimum} or newer; install one (with javac) and set JAVA_HOME to it")
    version, home = min(found)
    return home, version


def _jdk_version(home: Path) -> int:
    """The major version, 0 for a folder without a compiler."""
    with contextlib.suppress(OSError):
        version = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', (home / "release").read_text())
        if version and (home / "bin" / "javac").exists():
            return int(version[1])
    return 0


def _find_jars(product: Product, download: bool) -> Path:
    folder = CACHE / f"{product.name}-{product.version}" / "lib"
    with locked(folder.parent):
        if not (folder / "complete").exists():
            _fetch_jars(product, folder, download)
            (folder / "complete").touch()
    return folder


def _fetch_jars(product: Product, folder: Path, download: bool) -> None:
    """Copy the jars from what Maven has already, else from Central if that is allowed."""
    maven = shutil.which("mvn")
    if not maven:
        raise Unavailable("no Maven, which fetches its jars; install Maven (Debian: apt-get install maven)")
    versions = [f"-Dnode.version={product.version}", f"-Dnode.http={product.http}"]
    options = [f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
    command = [maven, "-B", "-q", "-f", str(SOURCES / product.pom), COPY, *versions, *options]
    if _run_maven([*command, "-o"], folder) == "":
        return
    if not download:
        raise Unavailable("its jars are not here yet; run pytest once with --real-nodes-download (30 to 60 MB)")
    if complaint := _run_maven(command, folder):
        raise Unavailable(f"Maven could not fetch its jars: {complaint}")


def _run_maven(command: list[str], folder: Path) -> str:
    """Maven's first complaint; empty if it had none."""
    shutil.rmtree(folder, ignore_errors=True)
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, check=False)
    if run.returncode == 0:
        return ""
    return next((line for line in run.stdout.splitlines() if "ERROR" in line), "no reason given")[:300]


def _compile_launcher(product: Product, jars: Path, jdk: Path, version: int) -> Path:
    sources = sorted((SOURCES / product.launcher).rglob("*.java"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    launcher = jars.parent / f"launcher-{digest}-{version}.jar"
    with locked(jars.parent):
        if not launcher.exists():
            draft = launcher.with_suffix(".draft")
            with tempfile.TemporaryDirectory() as classes:
                flags = ["-nowarn", "-Xlint:none", "-cp", f"{jars}/*", "-d", classes]
                subprocess.run([jdk / "bin" / "javac", *flags, *sources], check=True)
                subprocess.run([jdk / "bin" / "jar", "cf", draft, "-C", classes, "."], check=True)
            draft.replace(launcher)
    return launcher
