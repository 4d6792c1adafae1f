"""Counts what flows, so that a test sees where it stops.

/write?n=… sends n parts of 64 KiB; /read?wait=s reads the body only after
s seconds, counting bytes; /ignore answers without reading; /counts tells.
"""

import asyncio
import json
import time

from kit import TEXT, answer, query, reply

PART = b"x" * 65536
counts = {"written": 0, "read": 0, "begun": 0, "ended": 0, "error": ""}


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan here")
    path, asked = scope["path"], query(scope)
    if path == "/write":
        counts.update(written=0, begun=1, ended=0, error="")
        try:
            await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", TEXT.encode())]})
            for _ in range(int(asked["n"])):
                await send({"type": "http.response.body",
                    "body": PART, "more_body": True})
                counts["written"] += len(PART)
            await send({"type": "http.response.body"})
        except Exception as error:
            counts["error"] = type(error).__name__
            raise
        finally:
            counts["ended"] += 1
    elif path == "/read":
        counts.update(read=0, begun=1, ended=0, error="")
        await asyncio.sleep(float(asked.get("wait", "0")))
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                counts["ended"] += 1
                counts["error"] = "disconnect"
                return
            counts["read"] += len(message.get("body", b""))
            more = message.get("more_body", False)
        counts["ended"] += 1
        await reply(send, "%d\n" % counts["read"])
    elif path == "/ignore":
        await reply(send, "ignored\n")
    elif path == "/gone":
        counts.update(begun=1, ended=0, error="")
        while (await receive())["type"] != "http.disconnect":
            pass
        counts["ended"] += 1
        try:
            await reply(send, "late\n")
        except Exception as error:
            counts["error"] = type(error).__name__
    else:
        await reply(send, json.dumps(counts), kind="application/json")


def wsgi(environ, start_response):
    path, asked = environ["PATH_INFO"], query(environ)
    if path == "/write":
        counts.update(written=0, begun=1, ended=0, error="")

        class Body:
            left = int(asked["n"])

            def __iter__(self):
                return self

            def __next__(self):
                if not self.left:
                    raise StopIteration
                self.left -= 1
                counts["written"] += len(PART)
                return PART

            def close(self):
                counts["ended"] += 1

        start_response("200 OK", [("Content-Type", TEXT)])
        return Body()
    if path == "/read":
        counts.update(read=0, begun=1, ended=0, error="")
        time.sleep(float(asked.get("wait", "0")))
        try:
            while part := environ["wsgi.input"].read(65536):
                counts["read"] += len(part)
        except Exception as error:
            counts["error"] = type(error).__name__
            raise
        finally:
            counts["ended"] += 1
        return answer(start_response, "%d\n" % counts["read"])
    if path == "/ignore":
        return answer(start_response, "ignored\n")
    return answer(start_response, json.dumps(counts),
        kind="application/json")


async def rsgi(scope, protocol):
    path, asked = scope.path, query(scope)
    if path == "/write":
        counts.update(written=0, begun=1, ended=0, error="")
        out = protocol.response_stream(200, [("content-type", TEXT)])
        try:
            for _ in range(int(asked["n"])):
                await out.send_bytes(PART)
                counts["written"] += len(PART)
        except Exception as error:
            counts["error"] = type(error).__name__
        finally:
            counts["ended"] += 1
    elif path == "/read":
        counts.update(read=0, begun=1, ended=0, error="")
        await asyncio.sleep(float(asked.get("wait", "0")))
        try:
            async for part in protocol:
                counts["read"] += len(part)
        except Exception as error:
            counts["error"] = str(error)
            raise
        finally:
            counts["ended"] += 1
        protocol.response_str(200, [("content-type", TEXT)],
            "%d\n" % counts["read"])
    elif path == "/gone":
        counts.update(begun=1, ended=0, error="")
        await protocol.client_disconnect()
        counts["ended"] += 1
        try:
            out = protocol.response_stream(200, [])
            await out.send_bytes(b"late")
        except Exception as error:
            counts["error"] = type(error).__name__
    elif path == "/ignore":
        protocol.response_str(200, [("content-type", TEXT)], "ignored\n")
    else:
        protocol.response_str(200, [("content-type",
            "application/json")], json.dumps(counts))
