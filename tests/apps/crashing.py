"""Ends its process soon after it is ready, every time."""

import os
import threading

from plain import asgi, wsgi  # noqa: F401

threading.Timer(0.05, os._exit, (3,)).start()
