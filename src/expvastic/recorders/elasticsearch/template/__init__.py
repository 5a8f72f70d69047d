"""The templates that go with a name: what they say, for which server, and whether those that are installed will do."""

from .features import Features as Features
from .features import features_of as features_of
from .judging import Condition as Condition
from .judging import compare as compare
from .judging import judge as judge
from .judging import read_installed as read_installed
from .mappings import EVENT_ID as EVENT_ID
from .mappings import MANAGER as MANAGER
from .mappings import VERSION as VERSION
from .mappings import build_mappings as build_mappings
from .pieces import Piece as Piece
from .pieces import Shape as Shape
from .pieces import build_pieces as build_pieces
from .pieces import build_settings as build_settings
from .pieces import priority_of as priority_of
from .pieces import sibling_of as sibling_of
from .pieces import template_name as template_name
