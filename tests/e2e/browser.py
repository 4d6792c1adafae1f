"""Drives Debian's Chromium, without a window, by its DevTools protocol over
two pipes; see https://chromedevtools.github.io/devtools-protocol/.

    with Browser(folder) as browser:
        page = browser.page("http://127.0.0.1:8000/")
        page.until("document.title == 'x'")
        page("document.body.innerText")
"""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time

CHROMIUM = shutil.which("chromium")
# Nothing but the pages that it is told to open; as root there is no sandbox.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
    "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--no-first-run", "--remote-debugging-pipe", "--window-size=1100,700"]
LIMIT = 60


class Browser:
    def __init__(self, folder):
        self.ids = itertools.count(1)
        self.data = b""
        # It reads commands from descriptor 3 and writes to 4.
        theirs, self.to = os.pipe()
        self.of, mine = os.pipe()

        def arrange():
            # Neither copy is 3 or 4, which dup2() would overwrite.
            copies = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10)
                for fd in (theirs, mine)]
            for fd, copy in zip((3, 4), copies):
                os.dup2(copy, fd)

        self.log = open(folder / "chromium.log", "wb")
        self.process = subprocess.Popen([CHROMIUM, *FLAGS,
            "--user-data-dir=%s" % (folder / "chromium"), "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            pass_fds=(3, 4), preexec_fn=arrange)
        os.close(theirs)
        os.close(mine)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        try:
            self.call("Browser.close")
        finally:
            os.close(self.to)
            os.close(self.of)
            try:
                self.process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
            finally:
                self.log.close()

    def _message(self):
        """The next from the browser."""
        until = time.monotonic() + LIMIT
        while b"\0" not in self.data:
            left = until - time.monotonic()
            assert left > 0 and select.select([self.of], [], [], left)[0], \
                "Chromium does not answer"
            more = os.read(self.of, 1 << 20)
            assert more, "Chromium has ended, see chromium.log"
            self.data += more
        message, _, self.data = self.data.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, **params):
        number = next(self.ids)
        command = {"id": number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        os.write(self.to, json.dumps(command).encode() + b"\0")
        # What else it tells meanwhile (events) nobody has asked for.
        while (answer := self._message()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def page(self, url):
        return Page(self, url)


class Page:
    def __init__(self, browser, url):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url=url,
            newWindow=True)["targetId"]
        self.session = browser.call("Target.attachToTarget",
            targetId=self.target, flatten=True)["sessionId"]

    def __call__(self, expression):
        """What a JavaScript expression is, as JSON has it."""
        got = self.browser.call("Runtime.evaluate", self.session,
            expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def until(self, expression):
        end = time.monotonic() + LIMIT
        while not self(expression):
            assert time.monotonic() < end, "%s never came true; %s" % (
                expression, self("document.body.innerText"))
            time.sleep(0.02)

    def reload(self):
        self.browser.call("Page.reload", self.session)

    def picture(self, path):
        data = self.browser.call("Page.captureScreenshot", self.session,
            format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
