"""YAML text to a tree.

The parser's events are put together here, not by the YAML library: its composer hides repeated keys, follows aliases
without end and, in C, crashes the process on deep nesting. Sizes are counted as the events come, every alias as what
it stands for, so that no input costs more than the limits allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
import yaml

from .complaints import Complaints, Path, fault
from .tree import Entry, Listing, Node, Scalar, Section
from .wording import yaml_line, yaml_problem

MAX_NODES = 100_000
MAX_DEPTH = 50
MAX_ALIAS_DEPTH = 10
_LONGEST_NUMBER = 64  # a longer one is text: 10 MB of digits would take minutes to read as a number

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_TEXT = _TAG + "str"
_TEXTS = {_TAG + kind for kind in ("str", "timestamp", "value")}
_NUMBERS = {
    _TAG + "int": "construct_yaml_int",
    _TAG + "float": "construct_yaml_float",
    _TAG + "bool": "construct_yaml_bool",
}

_Loader: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, complaints: Complaints) -> Node | None:
    """Return the tree of the only document in text, None if there is none.

    Notes what is wrong with single keys and values; raises ConfigError for what cannot be read as YAML at all.
    """
    try:
        loader = _Loader(text)
        try:
            return _Composer(loader.resolve, complaints).compose(iter(loader.get_event, None))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise fault(complaints.source, yaml_problem(error, text), yaml_line(error, text)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, text.find(chr(error.character))) + 1
        raise fault(complaints.source, "not YAML: a control character", line) from error


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


class _Frame(msgspec.Struct, eq=False):
    """A node that is open or anchored, and how much it stands for."""

    node: Node
    is_open: bool = False
    key: tuple[str, int] | None = None  # the name that waits for its value, and its line
    size: int = 1
    height: int = 0
    aliases: int = 0  # how deep aliases nest in it
    merges: list[Node] = []


class _Composer:
    """Puts events together, with one frame per open list or section."""

    def __init__(self, resolve: Callable[..., str], complaints: Complaints) -> None:
        self._resolve = resolve
        self._complaints = complaints
        self._constructor = yaml.constructor.SafeConstructor()
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Frame] = {}
        self._tags: dict[str, str] = {}  # of plain texts: a large file says the same again and again
        self._nodes = 0
        self._repeats = False
        self._root: Node | None = None

    def compose(self, events: Iterable[yaml.Event]) -> Node | None:
        for event in events:
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.MappingStartEvent):
                self._open(event, Section(_line(event)))
            elif isinstance(event, yaml.SequenceStartEvent):
                self._open(event, Listing(_line(event)))
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                raise self._fault(event, "a second document begins; one file holds one")
        if isinstance(self._root, Section):
            self._root.is_repetitive = self._repeats
        return self._root

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(event, 1)
        text, line, tag = event.value, _line(event), self._tag_of(event)
        around = self._frames[-1] if self._frames else None
        if around is not None and around.key is None and isinstance(around.node, Section):
            self._key(around, text, tag, line)
            return
        node = Scalar(line, text, text if tag == _TEXT else self._value_of(text, tag, line))
        if event.anchor:
            self._anchors[event.anchor] = _Frame(node)
        if around is None:
            self._root = node
        else:
            around.size += 1
            self._add(around, node)

    def _open(self, event: yaml.CollectionStartEvent, node: Listing | Section) -> None:
        self._count(event, 1)
        if self._wants_key():
            raise self._fault(event, "a key must be plain text")
        if len(self._frames) >= MAX_DEPTH:
            raise self._fault(event, f"nested deeper than {MAX_DEPTH} levels")
        if event.tag not in (None, "!", _TAG + "map", _TAG + "seq"):
            self._refuse_tag(node.line)
        frame = _Frame(node, is_open=True, height=1)
        if event.anchor:
            self._anchors[event.anchor] = frame
        self._frames.append(frame)

    def _close(self) -> None:
        frame = self._frames.pop()
        frame.is_open = False
        if frame.merges and isinstance(frame.node, Section):
            self._merge(frame.node, frame.merges)
        self._put(frame)

    def _alias(self, event: yaml.AliasEvent) -> None:
        frame = self._anchors.get(event.anchor or "")
        if frame is None:
            raise self._fault(event, "an alias that names nothing; put a text that begins with * in quotes")
        if frame.is_open:
            raise self._fault(event, "an alias stands inside what it names")
        if self._wants_key():
            raise self._fault(event, "a key must be plain text")
        if frame.aliases >= MAX_ALIAS_DEPTH:
            raise self._fault(event, f"aliases nest deeper than {MAX_ALIAS_DEPTH} levels")
        if len(self._frames) + frame.height > MAX_DEPTH:
            raise self._fault(event, f"nested deeper than {MAX_DEPTH} levels")
        self._count(event, frame.size)
        self._put(frame, alias=1)

    def _put(self, frame: _Frame, alias: int = 0) -> None:
        """Give a complete node to the list or section that is open."""
        if not self._frames:
            self._root = frame.node
            return
        around = self._frames[-1]
        around.size += frame.size
        around.height = max(around.height, frame.height + 1)
        around.aliases = max(around.aliases, frame.aliases + alias)
        self._add(around, frame.node)

    def _add(self, around: _Frame, node: Node) -> None:
        if isinstance(around.node, Listing):
            around.node.items.append(node)
            return
        assert isinstance(around.node, Section)
        assert around.key
        (name, line), around.key = around.key, None
        if name is _MERGE:
            around.merges.append(node)
        elif name in around.node.entries:
            around.node.repeats.append(Entry(name, line, node))
            self._repeats = True
        else:
            around.node.entries[name] = Entry(name, line, node)

    def _key(self, around: _Frame, text: str, tag: str, line: int) -> None:
        if tag == _MERGE:
            around.key = (_MERGE, line)
            return
        if tag not in _TEXTS:
            self._complaints.error((*self._path(), text), "a key must be text; put it in quotes", line)
        around.key = (text, line)

    def _merge(self, section: Section, sources: list[Node]) -> None:
        """Take in what ``<<`` names: the section's own entries win, then the earlier source."""
        flat = [item for source in sources for item in (source.items if isinstance(source, Listing) else [source])]
        for source in flat:
            if isinstance(source, Section):
                for entry in source.entries.values():
                    section.entries.setdefault(entry.name, entry)
            else:
                self._complaints.error((*self._path(), "<<"), "takes a mapping or a list of mappings", source.line)

    def _wants_key(self) -> bool:
        return bool(self._frames) and isinstance(self._frames[-1].node, Section) and self._frames[-1].key is None

    def _tag_of(self, event: yaml.ScalarEvent) -> str:
        said, text = event.tag, event.value
        if said not in (None, "!"):
            return str(said)
        if said is not None or not event.implicit[0] or len(text) > _LONGEST_NUMBER:
            return _TEXT
        tag = self._tags.get(text)
        if tag is None:
            tag = self._tags[text] = self._resolve(yaml.ScalarNode, text, (True, False))
        return tag

    def _value_of(self, text: str, tag: str, line: int) -> str | int | float | bool | None:
        if tag in _TEXTS or tag == _MERGE:
            return text
        if tag == _TAG + "null":
            return None
        if tag not in _NUMBERS:
            self._refuse_tag(line)
            return text
        try:
            value: int | float | bool = getattr(self._constructor, _NUMBERS[tag])(yaml.ScalarNode(tag, text))
        except (ValueError, KeyError, IndexError):
            self._complaints.error(self._path(), f"this is no {tag.removeprefix(_TAG)}", line)
            return text
        return value

    def _refuse_tag(self, line: int) -> None:
        """Complain without the tag's name: it may be a password that begins with an exclamation mark."""
        message = "a tag that has no meaning here; put a text that begins with ! in quotes"
        self._complaints.error(self._path(), message, line)

    def _count(self, event: yaml.Event, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise self._fault(event, f"larger than {MAX_NODES:,} keys and values, aliases counted as what they name")

    def _path(self) -> Path:
        return tuple(frame.key[0] for frame in self._frames if frame.key)

    def _fault(self, event: yaml.Event, message: str) -> Exception:
        return fault(self._complaints.source, message, _line(event))
