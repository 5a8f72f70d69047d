"""What would become of documents at a destination, foretold from its mapping and settings."""

from .findings import find_faults as find_faults
from .layout import Layout as Layout
from .layout import read_layout as read_layout
from .question import ask_future_layout as ask_future_layout
from .question import ask_layout as ask_layout
