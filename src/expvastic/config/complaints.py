"""What is said about a configuration: where, what to do, the nearest spelling, and never a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import Complaint, ConfigError

Path = tuple[str, ...]

_USER_INFO = re.compile(r"://[^/?#\s]*@")
_SHORTEST_SECRET = 4  # masking anything shorter would blank out ordinary words
_LONGEST_WORD = 80
_NEAR = 0.65
_COMPARISONS = 20_000  # a spelling is offered while this lasts: a file full of wrong names must not take minutes


class Complaints:
    """Everything that is wrong with one configuration (errors) or worth a word (remarks), with the lines."""

    def __init__(self, source: str) -> None:
        self.source = printable(source)
        self.secrets: set[str] = set()
        self._errors: dict[Complaint, int] = {}
        self._remarks: dict[Complaint, int] = {}
        self._refused: set[Path] = set()
        self._misspelt: set[Path] = set()
        self._comparisons = _COMPARISONS

    def error(self, path: Path, message: str, line: int = 0) -> None:
        """Note what makes the configuration unusable."""
        self._errors.setdefault(self._complaint(path, message, line), line)
        self._refused.add(path)

    def spoil(self, path: Path) -> None:
        """Remember that what is wrong at a place follows from an error elsewhere."""
        self._refused.add(path)

    def refuses(self, path: Path) -> bool:
        """Whether an error at this very place is said already, or follows from one that is."""
        return path in self._refused

    def remark(self, path: Path, message: str, line: int = 0) -> None:
        """Note what the user should know, though it works."""
        self._remarks.setdefault(self._complaint(path, message, line), line)

    @property
    def remarks(self) -> tuple[Complaint, ...]:
        """All remarks, in the order of their lines."""
        return self._in_order(self._remarks)

    def raise_errors(self) -> None:
        """Raise ConfigError with all errors in the order of their lines, if there are any."""
        if self._errors:
            raise ConfigError(self._in_order(self._errors))

    def is_missing(self, path: Path, line: int, *, hint: str = "") -> None:
        """Note a key that is missing, unless it is there under a wrong spelling."""
        if path not in self._misspelt:
            self.error(path, f"is missing{hint}", line)

    def nearest(self, word: str, known: Iterable[str]) -> str | None:
        """Return the known word that is nearest to a word, if one is near."""
        words = {name.casefold(): name for name in known}
        self._comparisons -= len(words)
        if self._comparisons < 0:
            return None
        import difflib  # for those who mistype

        near = difflib.get_close_matches(word.casefold()[:_LONGEST_WORD], words, n=1, cutoff=_NEAR)
        return words[near[0]] if near else None

    def suggest(self, word: str, known: Iterable[str]) -> str:
        """Return ``; did you mean X?`` with the known word that is nearest, or nothing if none is near."""
        near = self.nearest(word, known)
        return f"; did you mean {printable(near)}?" if near is not None else ""

    def unknown_key(self, path: Path, line: int, known: Iterable[str]) -> None:
        """Note a key that is none. If another one is near, that one is not missing as well."""
        near = self.nearest(path[-1], known)
        self.error(path, "unknown key" + (f"; did you mean {printable(near)}?" if near is not None else ""), line)
        if near is not None:
            self._misspelt.add((*path[:-1], near))

    def _complaint(self, path: Path, message: str, line: int) -> Complaint:
        where = f"{self.source}:{line}" if line else self.source
        steps = ".".join(map(printable, path))
        return Complaint(f"{where} {steps}".rstrip(), message)

    def _in_order(self, complaints: Mapping[Complaint, int]) -> tuple[Complaint, ...]:
        """Return complaints by line; masked only now that all secrets are known."""
        ordered = sorted(complaints, key=lambda complaint: complaints[complaint])
        return tuple(Complaint(complaint.where, self._masked(complaint.message)) for complaint in ordered)

    def _masked(self, message: str) -> str:
        for secret in sorted(self.secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                message = message.replace(secret, "***")
        return printable(_USER_INFO.sub("://***@", message), longest=1_000)


def fault(source: str, message: str, line: int = 0) -> ConfigError:
    """Return the error for a configuration that cannot be looked into any further."""
    where = f"{printable(source)}:{line}" if line else printable(source)
    return ConfigError([Complaint(where, message)])


def printable(text: str, longest: int = 200) -> str:
    """Return text as one line that is safe for a terminal, cut if it is very long."""
    shown = text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown if len(shown) <= longest else shown[:longest] + "…"


def listed(words: Iterable[str], last: str = "or") -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *first, final = words
    return f"{', '.join(first)} {last} {final}" if first else final
