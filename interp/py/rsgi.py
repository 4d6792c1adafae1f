# See LICENSE for the terms.
"""``granian.rsgi``: the names that RSGI applications import, without Granian.

This stands in ``sys.modules`` where Granian is not installed, and in a shard
with an interpreter of its own, in which Granian's extension cannot be loaded.
The classes are those of the objects that an application really gets.
"""

from enum import Enum as _Enum

from _shoal import RSGIHeaders as Headers
from _shoal import RSGIHTTPProtocol as HTTPProtocol
from _shoal import RSGIHTTPStreamTransport as HTTPStreamTransport
from _shoal import RSGIProtocolClosed as ProtocolClosed
from _shoal import RSGIProtocolError as ProtocolError
from _shoal import RSGIScope as Scope
from _shoal import RSGIWebsocketMessage as WebsocketMessage
from _shoal import RSGIWebsocketProtocol as WebsocketProtocol

__all__ = ["Headers", "HTTPProtocol", "HTTPStreamTransport", "ProtocolClosed", "ProtocolError",
           "Scope", "WebsocketMessage", "WebsocketMessageType", "WebsocketProtocol"]


class WebsocketMessageType(int, _Enum):
    """What a WebSocket message is."""

    close = 0
    bytes = 1
    string = 2

