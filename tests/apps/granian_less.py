"""Imports granian.rsgi in every way, and tells what came."""

import json

WAYS = {
    "import granian.rsgi": "granian.rsgi",
    "from granian import rsgi": "rsgi",
    "from granian.rsgi import Scope": "Scope",
    "from granian import Granian": "Granian",
    "import granian.utils": "granian.utils",
}


def came(way, what):
    names = {}
    try:
        exec(way, names)
        return eval(what + ".__name__", names)
    except ImportError as error:
        return type(error).__name__


class Application:
    async def __rsgi__(self, scope, protocol):
        from granian.rsgi import Scope

        told = {way: came(way, what) for way, what in WAYS.items()}
        told["scope"] = isinstance(scope, Scope)
        protocol.response_str(200, [], json.dumps(told))


rsgi = Application()
