"""Real tasks on unmodified frameworks: log in, upload, download, stream.

The applications are tests/apps/site_*.py, with the same paths in each; what a
framework does not offer stands in its row.
"""

import hashlib
import http.client
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import zlib
from urllib.parse import urlencode

import pytest

import shoal
from shoal import Server, until

ROOT = shoal.HERE.parents[1]
MEGABYTE = bytes(range(256)) * 4096
FILE = MEGABYTE[:300_000]
UPLOAD = 50
STREAM = 1024
# What a server process may grow by while 1 GiB passes through it.
GROWTH_KIB = 64 << 10

FORM = [("Content-Type", "application/x-www-form-urlencoded")]

# name: (application, what it cannot do, what refuses an interpreter a shard)
SITES = {
    "django-asgi": ("site_django.asgi", {"ranges"}, None),
    "django-wsgi": ("site_django.wsgi", {"ranges"}, None),
    "flask": ("site_flask:wsgi", {"patient", "thread"}, None),
    "bottle": ("site_bottle:wsgi", {"patient", "thread"}, None),
    "starlette": ("site_starlette:asgi", set(), None),
    "quart": ("site_quart:asgi", set(), None),
    "falcon-wsgi": ("site_falcon:wsgi", {"patient", "thread"},
        "falcon.cyutil"),
    "falcon-asgi": ("site_falcon:asgi", set(), "falcon.cyutil"),
    "fastapi": ("site_fastapi:asgi", set(), "pydantic_core"),
    "litestar": ("site_litestar:asgi", {"ranges"}, "msgspec"),
    "blacksheep": ("site_blacksheep:asgi", {"ranges"}, "blacksheep"),
    "emmett": ("site_emmett:rsgi", set(), "pendulum"),
}
# Where their file is served.
FILE_PATHS = {"falcon-wsgi": "/static/file.bin",
    "falcon-asgi": "/static/file.bin"}


def environment(tmp_path):
    return {"SITE_DIR": str(tmp_path), "EVENTS": str(tmp_path / "events")}


def prepare_django(tmp_path):
    """What a person does before the first start."""
    env = {**shoal.environment(environment(tmp_path)),
        "DJANGO_SETTINGS_MODULE": "site_django.settings",
        "DJANGO_SUPERUSER_PASSWORD": "secret",
        "PYTHONPATH": str(shoal.APPS), "PYTHONDONTWRITEBYTECODE": "1"}
    for words in (["migrate", "--run-syncdb", "-v0"], ["createsuperuser",
            "--noinput", "--username", "ann", "--email", "ann@example.org"]):
        subprocess.run([sys.executable, "-m", "django", *words], env=env,
            check=True, timeout=60)


@pytest.fixture
def site(tmp_path):
    """Make the server of a site with its directory."""
    (tmp_path / "file.bin").write_bytes(FILE)
    (tmp_path / "events").touch()
    (tmp_path / "page.html").write_text(
        "<p>{{=name.upper()}}{{for i in items:}} {{=i}}{{pass}}</p>\n")

    def make(name, *options, **more):
        app = SITES[name][0]
        if name == "emmett" and not importlib.util.find_spec("emmett"):
            pytest.skip("emmett does not run on this Python")
        if name.startswith("django"):
            prepare_django(tmp_path)
        return Server(app, *options, env=environment(tmp_path), **more)

    return make


def chosen(name):
    """Where auto puts it."""
    return "process" if shoal.MINOR < (3, 13) or SITES[name][2] else "interp"


def places(*tasks):
    """Sites that can do all of it, by themselves and wherever else they load."""
    return pytest.mark.parametrize("name, where", [(name, where)
        for name, (_, cannot, _) in SITES.items() if not cannot & {*tasks}
        for where in ("auto", "process")
        if where == "auto" or chosen(name) == "interp"])


def cookies_of(got):
    """The Cookie header that a browser would send next."""
    pairs = [value.partition(";")[0] for value in got.all("set-cookie")]
    return [("Cookie", "; ".join(pairs))]


def multipart(name, data):
    """A form with one file in it; (headers, body)."""
    line = "--a-boundary"
    head = ("%s\r\nContent-Disposition: form-data; name=\"file\"; "
        "filename=\"%s\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        % (line, name))
    return ([("Content-Type", "multipart/form-data; boundary=a-boundary")],
        head.encode() + data + ("\r\n%s--\r\n" % line).encode())


def memory_peak(pids):
    """The most that these processes ever had in memory, in KiB."""
    return sum(int(re.search(r"VmHWM:\s+(\d+)",
        pathlib.Path("/proc/%d/status" % pid).read_text())[1])
        for pid in pids)


@pytest.mark.parametrize("name", SITES)
def test_auto_chooses_and_says_why(site, name):
    with site(name, workers=2) as server:
        assert server.get("/me").status == 401
        isolation = chosen(name)
        assert server.logged(r"\(2 shards, isolation %s\)" % isolation), \
            server.log
        assert len(server.children()) == (2 if isolation == "process" else 1)
        if shoal.MINOR < (3, 13):
            assert server.logged("Python 3.12"), server.log
        elif isolation == "process":
            assert server.logged(r"%s\S*: does not support an interpreter a "
                "shard; starting again" % SITES[name][2]), server.log


def test_the_readme_says_the_same():
    rows = re.findall(r"^\| (\w[\w, ]+) \| `(interp|process)` \| (?:`(\S+)`)?",
        (ROOT / "README.md").read_text(), re.M)
    said = {name: (isolation, refusing or None)
        for names, isolation, refusing in rows
        for name in names.lower().split(", ")}
    assert said == {name.partition("-")[0]:
        ("process" if refusing else "interp", refusing)
        for name, (_, _, refusing) in SITES.items()}


@places()
def test_people_log_in(site, name, where):
    """A session by cookie, on whichever shard the next request falls."""
    with site(name, "--isolation", where, workers=2) as server:
        form = {"user": "ann", "password": "wrong"}
        got = server.post("/login", urlencode(form).encode(), FORM)
        assert got.status == 401, got
        form["password"] = "secret"
        got = server.post("/login", urlencode(form).encode(), FORM)
        assert (got.status, got.body) == (204, b""), got
        session = cookies_of(got)
        for _ in range(10):
            got = server.get("/me", session)
            if name == "litestar":
                # Its sessions are in the memory of one shard.
                assert got.status in (200, 401), got
                continue
            assert (got.status, got.json()) == (200, {"user": "ann"}), got
        assert server.get("/me").status == 401


@places()
def test_fifty_megabytes_come_in(site, name, where):
    # Their files wait for the garbage collector.
    slack = {"bottle": 4, "emmett": 2}.get(name, 0)
    with site(name, "--isolation", where, slack=slack) as server:
        data = MEGABYTE * UPLOAD
        headers, body = multipart("big.bin", data)
        with server.connect(limit=4 * shoal.LIMIT) as c:
            for _ in range(2):
                got = c.post("/upload", body, headers)
                assert got.status == 200, got
                assert got.json() == {"name": "big.bin", "size": len(data),
                    "sha256": hashlib.sha256(data).hexdigest()}


@places()
def test_a_gigabyte_goes_out_in_bounded_memory(site, name, where):
    with site(name, "--isolation", where) as server:
        host, port = server.address()
        # What is made once is made now.
        assert len(server.get("/large?mb=1").body) == 1 << 20
        before = memory_peak(server.children())
        conn = http.client.HTTPConnection(host, port)
        conn.request("GET", "/large?mb=%d" % STREAM)
        got, size = conn.getresponse(), 0
        view = memoryview(bytearray(1 << 20))
        while count := got.readinto(view):
            size += count
        conn.close()
        assert (got.status, size) == (200, STREAM << 20)
        grown = memory_peak(server.children()) - before
        assert grown < GROWTH_KIB, "grown by %d KiB" % grown


@places()
def test_a_file_is_downloaded(site, name, where):
    path = FILE_PATHS.get(name, "/file")
    with site(name, "--isolation", where) as server, server.connect() as c:
        got = c.get(path)
        assert (got.status, got.body) == (200, FILE)
        if "ranges" not in SITES[name][1]:
            for first, last in ((0, 0), (1000, 250_000), (299_999, 299_999)):
                got = c.get(path, [("Range", "bytes=%d-%d" % (first, last))])
                assert got.status == 206, got
                assert got.body == FILE[first:last + 1]
                assert got.one("content-range") == "bytes %d-%d/300000" % (
                    first, last)
            got = c.get(path, [("Range", "bytes=400000-")])
            assert got.status == 416, got
        got = c.get(path)
        assert (got.status, got.body) == (200, FILE)


@places("patient")
def test_a_wait_is_ended_by_its_timeout(site, name, where):
    with site(name, "--isolation", where) as server, server.connect() as c:
        for _ in range(3):
            assert c.get("/patient").status == 504


@places("thread")
def test_work_goes_to_a_thread(site, name, where):
    with site(name, "--isolation", where) as server, server.connect() as c:
        for _ in range(3):
            assert c.get("/thread").json() == {"sum": 499500}


@places()
def test_a_client_that_leaves_ends_the_stream(site, tmp_path, name, where):
    """The application's generator is closed, and no error is logged."""
    events = shoal.Events(tmp_path / "events")
    with site(name, "--isolation", where) as server:
        for i in range(2):
            with server.connect(rcvbuf=4096) as c:
                c.request("GET", "/endless")
                head = c.recv_head()
                assert head.status == 200, head
                c.reset()
            # Django leaves a cycle behind, for the garbage collector.
            until(lambda: server.get("/me").status == 401
                and events.lines().count("left") == i + 1,
                "the end of stream %d" % i)


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_the_admin_of_django(site, interface):
    """Log in by the form with its CSRF token, add a note, find it."""
    with site("django-" + interface, workers=2) as server:
        def token(got):
            return re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"',
                got.body)[1].decode()

        got = server.get("/admin/")
        assert got.status == 302, got
        assert got.one("location") == "/admin/login/?next=/admin/"
        got = server.get("/admin/login/?next=/admin/")
        form = {"username": "ann", "password": "secret",
            "csrfmiddlewaretoken": token(got), "next": "/admin/"}
        jar = cookies_of(got)
        refused = server.post("/admin/login/", urlencode(form).encode(), FORM)
        assert refused.status == 403, refused
        got = server.post("/admin/login/", urlencode(form).encode(),
            FORM + jar)
        assert (got.status, got.one("location")) == (302, "/admin/"), got
        jar = cookies_of(got)
        got = server.get("/admin/", jar)
        assert got.status == 200 and b"Notes" in got.body, got
        got = server.get("/admin/notes/note/add/", jar)
        form = {"csrfmiddlewaretoken": token(got), "text": "from the admin"}
        got = server.post("/admin/notes/note/add/", urlencode(form).encode(),
            FORM + jar)
        assert got.status == 302, got
        got = server.get("/admin/notes/note/", jar)
        assert b"from the admin" in got.body
        assert server.get("/notes").json() == {"notes": ["from the admin"]}


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_the_orm_of_django_by_many_at_once(site, interface):
    """sqlite, written from two shards, by sync and async views."""
    with site("django-" + interface, workers=2) as server:
        def write(i):
            path = "/notes/async" if i % 2 else "/notes"
            with server.connect() as c:
                for j in range(5):
                    got = c.post(path, b"text=%d-%d" % (i, j), FORM)
                    assert got.status == 200, got
                    assert "%d-%d" % (i, j) in got.json()["notes"]

        shoal.at_once(8, write)
        wanted = sorted("%d-%d" % (i, j) for i in range(8) for j in range(5))
        for path in ("/notes", "/notes/async"):
            assert sorted(server.get(path).json()["notes"]) == wanted


def test_a_template_of_renoir(site):
    with site("emmett") as server:
        got = server.get("/page")
        assert (got.status, got.body.strip()) == (
            200, b"<p>SHOAL 1 2 3</p>"), got


def test_what_middleware_adds_arrives(site):
    with site("fastapi") as server:
        assert server.get("/thread").one("x-marked") == "yes"
    with site("starlette") as server:
        got = server.get("/large?mb=1", [("Accept-Encoding", "gzip")])
        assert got.one("content-encoding") == "gzip"
        assert zlib.decompress(got.body, 31) == MEGABYTE


@pytest.mark.skipif(shoal.MINOR >= (3, 14), reason="Emmett needs 3.13")
def test_a_rest_api_of_emmett(tmp_path):
    """With its OpenAPI description, in a virtualenv of its own."""
    made = subprocess.run([ROOT / "tools/testdeps",
        ROOT / "tests/rest.txt"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHON": sys.executable}, check=True)
    venv = made.stdout.strip()
    env = {**shoal.environment(environment(tmp_path)),
        "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([venv + "/bin/python", shoal.APPS / "site_rest.py"],
        env=env, cwd=shoal.APPS, check=True)
    json_type = [("Content-Type", "application/json")]
    # Its database connections stay.
    with Server("site_rest:rsgi", "--venv", venv, workers=2, slack=8,
            env=environment(tmp_path)) as server:
        got = server.post("/notes", b'{"text": "one"}', json_type)
        assert got.status == 201, got
        assert got.json()["text"] == "one"
        got = server.post("/notes", b'{"text": ""}', json_type)
        assert got.status == 422, got
        assert [note["text"] for note in
            server.get("/notes").json()["data"]] == ["one"]
        got = server.get("/docs/openapi.json").json()
        assert got["info"]["title"] == "Notes", got
        assert "/notes" in got["paths"], got["paths"]


def test_httpbin(tmp_path):
    """An application that was written for other servers."""
    with Server("httpbin:app", workers=2) as server, server.connect() as c:
        got = c.get("/get?a=1", [("X-One", "two")]).json()
        assert got["args"] == {"a": "1"} and got["headers"]["X-One"] == "two"
        got = c.post("/post", b"a=1&b=2", FORM).json()
        assert got["form"] == {"a": "1", "b": "2"}
        c.request("PUT", "/anything/x", FORM, b"c=3")
        assert c.recv_response().json()["form"] == {"c": "3"}
        for status in (204, 304, 404, 418, 503):
            assert c.get("/status/%d" % status).status == status
        got = c.get("/stream/20")
        assert got.framing == "chunked"
        assert len(got.body.splitlines()) == 20
        got = c.get("/range/1024", [("Range", "bytes=10-19")])
        assert (got.status, len(got.body)) == (206, 10)
        got = c.get("/gzip")
        assert got.one("content-encoding") == "gzip"
        assert b'"gzipped": true' in zlib.decompress(got.body, 31)
        assert c.get("/basic-auth/ann/secret").status == 401
        got = c.get("/cookies/set?a=1")
        assert got.status == 302
        assert c.get("/cookies", cookies_of(got)).json() == {
            "cookies": {"a": "1"}}
        assert c.get("/redirect/2").status == 302
        assert len(c.get("/bytes/70000?seed=1").body) == 70000
        got = c.get("/drip?numbytes=5&duration=0.1&delay=0")
        assert got.body == b"*****"
        assert c.get("/delay/0.01").status == 200
        assert c.get("/image/png").body.startswith(b"\x89PNG")
        c.request("HEAD", "/get")
        assert c.recv_response("HEAD").body == b""
