# See LICENSE for the terms.
"""The shard's event loop: asyncio's, on _shoal.EventLoop (interp/aloop.c).

What an application calls often is in C; the rest of asyncio is as it comes with
Python, and works on the same attributes.
"""

import asyncio
import inspect
import sys
from asyncio import format_helpers, selector_events, sslproto

import _shoal


# This makes SocketTransport's type, too.
BASE = _shoal.event_loop()


class KeysByFd(dict):
    """{descriptor: SelectorKey}; looked up by a file object, too, as in selectors."""

    def get(self, fileobj, default=None):
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        return super().get(fd, default)

    def __getitem__(self, fileobj):
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        return super().__getitem__(fd)


def selector():
    """A view of the shard's epoll for one event loop."""
    return _shoal.Selector(KeysByFd())


def describe(handle, loop):
    """The callback and its place in the source, as asyncio's handles show it."""
    options = {"debug": loop.get_debug()} if sys.version_info >= (3, 13) else {}
    return format_helpers._format_callback_source(handle._callback, handle._args, **options)


def derive(base):
    """The class of asyncio *base* with its frequent part in C."""

    class EventLoop(BASE, base):
        def _callback_failed(self, handle, error):
            """What asyncio.Handle does with an exception."""
            context = {"message": f"Exception in callback {describe(handle, self)}",
                       "exception": error, "handle": handle}
            if handle._source_traceback:
                context["source_traceback"] = handle._source_traceback
            self.call_exception_handler(context)

    EventLoop.__name__ = EventLoop.__qualname__ = base.__name__
    return EventLoop


class SocketTransport(_shoal.SocketTransport, selector_events._SelectorSocketTransport):
    """asyncio's transport for TCP with its frequent part in C (interp/aloop_conn.c)."""

    __slots__ = ("_sock", "_protocol", "_buffer", "_conn_lost", "_eof", "_empty_waiter",
                 "_read_ready_cb")

    def __init__(self, *args, **kwargs):
        self._sock = None
        super().__init__(*args, **kwargs)

    def _write_rest(self, data, sent):
        """What asyncio's write() does with what the socket does not take."""
        self._loop._add_writer(self._sock_fd, self._write_ready)
        self._buffer.append(memoryview(data).cast("B")[sent:])
        self._maybe_pause_protocol()


class Sockets:
    """The transports that a loop makes."""

    def _make_socket_transport(self, sock, protocol, waiter=None, *, extra=None, server=None):
        self._ensure_fd_no_transport(sock)
        return SocketTransport(self, sock, protocol, waiter, extra, server)

    def _make_ssl_transport(self, rawsock, protocol, sslcontext, waiter=None, *,
                            server_side=False, server_hostname=None, extra=None, server=None,
                            **timeouts):
        self._ensure_fd_no_transport(rawsock)
        tls = sslproto.SSLProtocol(self, protocol, sslcontext, waiter, server_side,
                                   server_hostname, **timeouts)
        SocketTransport(self, rawsock, tls, extra=extra, server=server)
        return tls._app_transport


class Signals:
    """Signal handlers, where a shard has none: beside others in one process."""

    def add_signal_handler(self, sig, callback, *args):
        """As asyncio's; in a shard that shares its process a warning."""
        if _shoal.config["own_interpreter"]:
            import _shoal_boot

            if asyncio.iscoroutine(callback) or inspect.iscoroutinefunction(callback):
                raise TypeError("coroutines cannot be used with add_signal_handler()")
            self._check_signal(sig)
            self._check_closed()
            _shoal_boot.warn_of_signal("loop.add_signal_handler()", sig)
            return
        super().add_signal_handler(sig, callback, *args)

    def remove_signal_handler(self, sig):
        """As asyncio's; False in a shard that shares its process."""
        if _shoal.config["own_interpreter"]:
            return False
        return super().remove_signal_handler(sig)


class Loop(Signals, Sockets, derive(asyncio.SelectorEventLoop)):
    """asyncio's loop for Unix, which runs the shard's turns."""

    def __init__(self):
        super().__init__(selector())
        self._lasting = True
