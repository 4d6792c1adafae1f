"""The demo's chat in two windows of a browser (make deps brings none: see
tools/deps --browser).  BROWSER_PICTURE=path takes a picture of it."""

import json
import os
import pathlib
import signal

import pytest

from browser import CHROMIUM, Browser
from shoal import Server, until

pytestmark = pytest.mark.skipif(not CHROMIUM,
    reason="there is no chromium: tools/deps --browser installs Debian's")

CONNECTED = "document.getElementById('state')?.textContent" \
    ".startsWith('connected')"
SHARD = "document.getElementById('shard').textContent"


def enter(browser, server, name):
    page = browser.page("http://127.0.0.1:%d/?name=%s" % (server.port, name))
    page.until("document.readyState == 'complete' && " + CONNECTED)
    return page


def say(page, text):
    page("document.getElementById('text').value = %s; "
        "document.getElementById('say').requestSubmit()" % json.dumps(text))


def hears(page, name, text):
    """Whether a line was said by somebody; and from where."""
    page.until("[...document.querySelectorAll('#said li')].some(li => "
        "li.querySelector('b')?.textContent == %s && "
        "li.childNodes[1].textContent == %s)" % tuple(map(json.dumps,
        (name, text))))
    return page("[...document.querySelectorAll('#said li')].findLast(li => "
        "li.childNodes[1].textContent == %s)"
        ".querySelector('.shard').textContent" % json.dumps(text))


def test_a_chat_in_two_windows(tmp_path):
    with Server("chat_flask:app", "--isolation", "process", workers=2) \
            as server, Browser(tmp_path) as browser:
        ann, ben = enter(browser, server, "Ann"), None
        while not ben or ben(SHARD) == ann(SHARD):
            if ben:
                ben.close()
            ben = enter(browser, server, "Ben")
        say(ann, "Is anybody on the other shard?")
        say(ben, "I am. <b>No Redis</b> between us \u2013")
        for page in ann, ben:
            assert hears(page, "Ann", "Is anybody on the other shard?") == \
                ann(SHARD)
            assert hears(page, "Ben", "I am. <b>No Redis</b> between us "
                "\u2013") == ben(SHARD)
        assert server.post("/flask/lobby", b"A view of WSGI says so, too") \
            .status == 200
        for page in ann, ben:
            hears(page, "Flask", "A view of WSGI says so, too")
        for page in ann, ben:
            page.until("document.getElementById('count').textContent > 3")
        if "BROWSER_PICTURE" in os.environ:
            ann.picture(pathlib.Path(os.environ["BROWSER_PICTURE"]))
        # A shard dies; who was on it comes again, and nobody else notices.
        server.allow("killed by signal 9")
        pids = server.children()
        os.kill(int(ann("document.getElementById('pid').textContent")),
            signal.SIGKILL)
        until(lambda: set(server.children()) - set(pids), "another process")
        ann.until(CONNECTED)
        ben.until("[...document.querySelectorAll('#said li.note')].filter("
            "li => li.textContent.startsWith('Ann came in')).length == 1")
        say(ben, "Welcome back")
        assert hears(ann, "Ben", "Welcome back") == ben(SHARD)
        for page in ann, ben:
            page.close()
        server.rebase()
