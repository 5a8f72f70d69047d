"""Which way a page is fetched: the lean one, or over httpx where that alone can do what the settings ask for."""

from __future__ import annotations

from .fetch import Fetcher
from .lean import LeanFetcher
from .target import TargetSettings


def why_httpx(settings: TargetSettings, method: str = "GET") -> str:
    """What the lean way cannot do of what is asked, in words for the user; empty where it is taken."""
    if settings.proxy is not None:
        return "it goes through a proxy"
    if method != "GET":
        return f"its method is {method}"
    return ""


def make_fetcher(
    settings: TargetSettings, method: str = "GET", content: bytes = b"", content_type: str = ""
) -> Fetcher | LeanFetcher:
    """What fetches the page; nothing is opened yet."""
    if why_httpx(settings, method):
        return Fetcher(settings, method, content, content_type)
    return LeanFetcher(settings)
