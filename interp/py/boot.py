# See LICENSE for the terms.
"""A shard's Python from its first line to its last.

Runs in every shard's interpreter (its own, or the main one of its process),
on the thread that serves.  It prepares the interpreter, loads the application,
finds out which interface it speaks, serves until the shard has drained, and
ends in order.  Nothing here runs on the path of a request.

The C side is the module ``_shoal``:

``_shoal.config``       dict of the options that matter here
``_shoal.log(level, text)``
``_shoal.claim_failure()``, ``_shoal.failed(what)``, ``_shoal.refused(what)``
``_shoal.load_begin()``, ``_shoal.load_end()``   one import of an application at a time
``_shoal.embedded(name)``   the module of another file beside this one
``_shoal.source(name)``     its text
``_shoal.Selector``, ``_shoal.event_loop()``   what the event loop is made of (loop.py)
``_shoal.rsgi_names()``  the module granian.rsgi without Granian
``_shoal.use_loop(loop)``   the shard's; WSGI has none
``_shoal.setup(kind, app, state)``, ``_shoal.listen()``, ``_shoal.serve_wsgi()``
"""

import gc
import importlib.machinery
import importlib.util
import sys
import threading
import time
import traceback

import _shoal

CONFIG = _shoal.config
START_FAILED = 3
#: What check() ends with; interp/check.c has these numbers, too.
LOADS, LOADS_NOT, LOADS_IN_PART = 0, 3, 4
GC_DEFAULT = gc.get_threshold()
#: Seconds in which the shard that failed first has told, and the keeper ends all.
FAILURE_WAIT = 2
#: Files whose frames tell nobody anything: this one, and those that Python leaves out, too.
UNTOLD = (__file__, "<frozen importlib._bootstrap")
#: What refused this interpreter: modules, by name, and calls.
REFUSED = []
#: When the cyclic collector looks at what is young, at what has survived that, and at
#: all: pauses of a fifth of a millisecond and of two, and all seldom
#: (tools/bench/results/gc.md).
GC_THRESHOLDS = (1000, 10, 100)
#: Modules of the library that refuse, and that an application may want for itself.  The
#: library does without them, as it does without the others that refuse.
WANTED = ("faulthandler", "_tracemalloc")
#: Words by which CPython, PyO3, Cython and others refuse an own-GIL interpreter.
REFUSALS = ("subinterpreter", "one interpreter per process", "Interpreter change detected")


class StartError(Exception):
    """The application cannot be served; the text says what to do."""


def main():
    """Serve until the end; return the exit code of this shard."""
    try:
        prepare()
        if CONFIG["check_fd"] >= 0:
            check()
        app = load_once()
        if app is None:
            return START_FAILED
        code = serve(app)
    except StartError as error:
        fail(str(error), error.__cause__)
        code = START_FAILED
    except BaseException as error:  # whatever an application may raise
        if CONFIG["own_interpreter"] and is_refusal(error) and not REFUSED:
            note_refusal(getattr(error, "name", None) or "the application")
        fail("the application could not be started" + advice(error), error)
        code = START_FAILED
    finish()
    return code


def fail(what, error=None):
    """Log the traceback once, whatever the number of shards, and say what to do."""
    if not _shoal.claim_failure():
        if not CONFIG["own_interpreter"]:  # else the process ends after all its shards
            time.sleep(FAILURE_WAIT)
        return
    if error is not None:
        _shoal.log("error", format_exception(error))
    _shoal.failed(what)


def advice(error):
    """What to do about an *error* of the application's start, as far as that can be told."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return (f": there is no module {error.name!r}{seen_from(error)}; "
                f"{where_to_install(error.name.partition('.')[0])}")
    if CONFIG["own_interpreter"] and sys.version_info < (3, 13):
        return ("; much of Python 3.12's own library cannot run in an interpreter a shard: "
                "try --isolation process")
    if isinstance(error, ImportError) and "no known parent package" in str(error):
        dotted = CONFIG["target"].partition(":")[0][:-3].strip("./").replace("/", ".")
        return (": a file that imports from beside it is part of a package; "
                f"name it as a module, such as {dotted}:NAME")
    return ""


def seen_from(error):
    """Where the import that failed stands."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if not frame.filename.startswith(UNTOLD)]
    return f", which {frames[-1].filename} imports" if frames else ""


def where_to_install(name):
    """How a package that is missing comes to where this Python looks for it."""
    if sys.prefix != sys.base_prefix:
        return f"if it is a package: {sys.prefix}/bin/python -m pip install {name}"
    return ("no virtual environment is used: name yours by --venv or $VIRTUAL_ENV, or make it "
            f"as {CONFIG['working_dir']}/.venv")


def format_exception(error):
    """The traceback of *error* as text, without frames of the server's and the importer's."""
    whole = traceback.TracebackException.from_exception(error)
    left = [whole]
    while left:
        told = left.pop()
        told.stack = traceback.StackSummary.from_list(
            [frame for frame in told.stack if not frame.filename.startswith(UNTOLD)])
        left += [more for more in (told.__cause__, told.__context__, *(told.exceptions or ()))
                 if more]
    return "".join(whole.format())


# ---- the interpreter ------------------------------------------------------


def prepare():
    """Make this interpreter behave as a program's main one."""
    import os

    name_thread(f"shoal-{CONFIG['shard']}")
    extra = [os.path.join(CONFIG["working_dir"], one)
             for one in CONFIG["pythonpath"].split(",") if one]
    sys.path[:0] = [CONFIG["working_dir"], *extra]
    if CONFIG["own_interpreter"]:
        watch_imports()
        watch_forks()
        tame_signals()
    if CONFIG["cpus"]:
        give_cpus_back(CONFIG["cpus"])
    if sys.prefix == sys.base_prefix:
        name_executable()
    name_granian(importlib.util.find_spec("granian"))
    _shoal.embedded("own").install(_shoal.source("own"), _shoal.source("shoal"))


def name_granian(installed):
    """Have granian.rsgi, which RSGI applications import, where Granian's cannot be."""
    if CONFIG["own_interpreter"] or not installed:
        _shoal.rsgi_names()
    # An installed one is left to refuse an interpreter of its own, and be recorded.
    if not installed:
        spec = importlib.machinery.ModuleSpec("granian", None, is_package=True)
        package = sys.modules["granian"] = importlib.util.module_from_spec(spec)
        package.rsgi = sys.modules["granian.rsgi"]


def name_executable():
    """Without a virtual environment Python takes this server for its executable."""
    import os

    python = os.path.join(sys.base_exec_prefix, "bin", "python%d.%d" % sys.version_info[:2])
    if os.access(python, os.X_OK):
        sys.executable = sys._base_executable = python


def name_thread(name):
    """Give the current thread its name, and let it be a proper one in Python's eyes."""
    thread = threading.current_thread()
    # From 3.13 on a shard is a "dummy", daemonic thread, and what it starts
    # inherits that: then nobody would wait for the application's threads.
    thread._daemonic = False
    # Not .name: from 3.14 on that renames it for ps and top, too.
    thread._name = name


def adopt_thread(number):
    """Called once in each further thread that calls a WSGI application."""
    name_thread(f"shoal-{CONFIG['shard']}-{number}")


def is_refusal(error):
    """Whether *error* says that something cannot be in an interpreter of its own."""
    return (isinstance(error, (ImportError, RuntimeError))
            and any(word in str(error) for word in REFUSALS))


def note_refusal(what):
    """Tell the server, once, *what* refuses this interpreter; at start that may not return."""
    if what in REFUSED:
        return
    REFUSED.append(what)
    if CONFIG["check_fd"] < 0:
        _shoal.refused(what)


def watch_imports():
    """Tell the server of each extension module that refuses this interpreter."""
    from importlib.machinery import BuiltinImporter, ExtensionFileLoader

    def watched(method):
        def call(named, *args):
            try:
                return method(named, *args)
            except ImportError as error:
                if is_refusal(error):
                    error.name = named.name
                    if is_missed(named.name, sys._getframe(1)):
                        note_refusal(named.name)
                raise

        return call

    ExtensionFileLoader.create_module = watched(ExtensionFileLoader.create_module)
    ExtensionFileLoader.exec_module = watched(ExtensionFileLoader.exec_module)
    BuiltinImporter.create_module = staticmethod(watched(BuiltinImporter.create_module))


def is_missed(module, frame):
    """Whether anybody needs the *module* that cannot be imported at *frame*."""
    stdlib = sys.stdlib_module_names
    if module.partition(".")[0] not in stdlib:
        return True
    if module not in WANTED:
        return False
    while frame and (frame.f_code.co_filename.startswith(UNTOLD)
                     or frame.f_globals.get("__name__") == "tracemalloc"):
        frame = frame.f_back
    return bool(frame) and frame.f_globals.get("__name__", "").partition(".")[0] not in stdlib


def watch_forks():
    """Tell the server when the application forks, which an interpreter of its own refuses."""
    import os

    import _posixsubprocess

    def watched(function, what):
        def call(*args):
            try:
                return function(*args)
            except RuntimeError as error:
                if is_refusal(error):
                    note_refusal(what)
                raise

        return call

    os.fork = watched(os.fork, "os.fork()")
    os.forkpty = watched(os.forkpty, "os.forkpty()")
    _posixsubprocess.fork_exec = watched(_posixsubprocess.fork_exec, "subprocess's preexec_fn")
    take_fork_exec()


def take_fork_exec():
    """Have subprocess use the function as it is now, if it was imported already."""
    if "subprocess" in sys.modules:
        sys.modules["subprocess"]._fork_exec = sys.modules["_posixsubprocess"].fork_exec


def tame_signals():
    """signal.signal() works in the main interpreter only: warn instead of raising."""
    import signal

    def ignore(signum, handler):
        if handler not in (signal.SIG_DFL, signal.SIG_IGN):
            warn_of_signal("signal.signal()", signum)
        return signal.SIG_DFL

    signal.signal = ignore


def warn_of_signal(what, signum):
    """Say that a handler will not be called, and what to do about it."""
    import signal

    name = signal.Signals(signum).name
    _shoal.log("warning", f"{what}: the handler of {name} will never run, since this shard "
               "shares its process; use lifespan or atexit for the end of the server, "
               "or --isolation process")


def give_cpus_back(cpus):
    """Let the application's threads and subprocesses run on all CPUs, not the shard's one."""
    import os

    import _posixsubprocess

    own = os.sched_getaffinity(0)
    if own == set(cpus):
        return
    start_thread = threading.Thread._bootstrap

    def bootstrap(self):
        os.sched_setaffinity(0, cpus)
        start_thread(self)

    def widely(function):
        def spawn(*args, **kwargs):
            os.sched_setaffinity(0, cpus)
            try:
                return function(*args, **kwargs)
            finally:
                os.sched_setaffinity(0, own)

        return spawn

    threading.Thread._bootstrap = bootstrap
    # 3.13's; pools ask it how many threads or processes they should have.
    if getattr(os, "process_cpu_count", os.cpu_count) is not os.cpu_count:
        os.process_cpu_count = lambda: len(cpus)
    _posixsubprocess.fork_exec = widely(_posixsubprocess.fork_exec)
    os.posix_spawn = widely(os.posix_spawn)
    os.posix_spawnp = widely(os.posix_spawnp)
    take_fork_exec()


def before_spawning(call):
    """Have call() called before the application makes another process, in any way."""
    import os

    import _posixsubprocess

    def first(function):
        def spawn(*args, **kwargs):
            call()
            return function(*args, **kwargs)

        return spawn

    _posixsubprocess.fork_exec = first(_posixsubprocess.fork_exec)
    for name in ("posix_spawn", "posix_spawnp", "system"):
        setattr(os, name, first(getattr(os, name)))
    os.register_at_fork(before=call)
    take_fork_exec()


def finish():
    """What Py_Finalize would do for the application, since the process ends by _exit()."""
    import atexit

    try:
        threading._shutdown()
        atexit._run_exitfuncs()
    except BaseException as error:
        _shoal.log("error", "At exit: " + format_exception(error))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # a closed pipe is no reason for another code


# ---- the application ------------------------------------------------------


def load_once():
    """The application, or None when another shard has failed already."""
    if not _shoal.load_begin():
        return None
    try:
        return load(CONFIG["target"], CONFIG["factory"])
    finally:
        _shoal.load_end()


def load(target, factory):
    """What *target* names: ``module:attribute``, ``module``, ``path/file.py:attribute``, a call."""
    name, _, attribute = target.partition(":")
    args, kwargs = [], {}
    if "(" in attribute:
        attribute, args, kwargs = call_of(attribute)
        factory = True
    module = load_file(name) if name.endswith(".py") else load_module(name)
    app = find_attribute(module, name, attribute)
    return app(*args, **kwargs) if factory else app


def call_of(text):
    """Name, arguments and keywords of ``make("x", debug=True)``; only literals are arguments."""
    import ast

    name, _, rest = text.partition("(")
    try:
        call = ast.parse("f(" + rest, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError
        keywords = {key.arg: ast.literal_eval(key.value) for key in call.keywords}
        if None in keywords:
            raise ValueError
        return name, [ast.literal_eval(one) for one in call.args], keywords
    except (SyntaxError, ValueError):
        raise StartError(f"{text!r} is no call with plain values, such as "
                         "make('name', debug=True)") from None


def load_module(name):
    """Import *name*; a missing module of that very name gets a hint."""
    try:
        __import__(name)
        return sys.modules[name]
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise StartError(
                f"there is no module {error.name!r} in {CONFIG['working_dir']} nor in the virtual "
                "environment; " + better_target(name, error.name)) from None
        raise


def better_target(name, missing):
    """What somebody may have meant who wrote *name*, of which *missing* is not there."""
    import difflib
    import os

    attribute = CONFIG["target"].partition(":")[2] or "NAME"
    parent, dot, last = missing.rpartition(".")
    folders = [CONFIG["working_dir"]]
    if parent:
        folders = getattr(sys.modules[parent], "__path__", None)
    if not folders:
        return f"did you mean {parent}:{last}?"
    if os.path.isfile(os.path.join(CONFIG["working_dir"], name + ".py")):
        return f"did you mean {name}.py:{attribute}?"
    here = [entry.removesuffix(".py") for folder in folders for entry in os.listdir(folder)]
    close = difflib.get_close_matches(last, here, 1)
    return (f"did you mean {parent}{dot}{close[0]}{name.removeprefix(missing)}:{attribute}?"
            if close else "check the name, --working-dir and --venv")


def load_file(path):
    """Import the file at *path* as a module named after it."""
    import importlib.util
    import os

    path = os.path.join(CONFIG["working_dir"], path)
    if not os.path.isfile(path):
        raise StartError(f"there is no file {path}; check the path and --working-dir")
    name = os.path.basename(path)[:-3]
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def find_attribute(module, name, attribute):
    """``module.a.b`` for "a.b"; without a name, ``app`` and then ``application``."""
    for guess in [attribute] if attribute else ["app", "application"]:
        value = module
        try:
            for part in guess.split("."):
                value = getattr(value, part)
            return value
        except AttributeError:
            continue
    if attribute:
        raise StartError(f"module {name!r} has no attribute {attribute!r}; "
                         + better_attribute(module, name, attribute))
    inner = [f"{name}.{usual}" for usual in ("app", "main", "asgi", "wsgi")
             if hasattr(module, "__path__") and importlib.util.find_spec(f"{name}.{usual}")]
    raise StartError(f"module {name!r} has neither 'app' nor 'application'; "
                     + (f"did you mean {' or '.join(inner)}?" if inner else
                        f"say which it is: {name}:NAME"))


def better_attribute(module, name, attribute):
    """What somebody may have meant who wrote *attribute*."""
    import difflib

    names = [known for known in vars(module) if not known.startswith("_")]
    usual = [known for known in ("app", "application") if known in names]
    close = difflib.get_close_matches(attribute, names, 1) or usual
    return (f"did you mean {name}:{close[0]}?" if close else
            f"say what the application is called in it: {name}:NAME")


def interface_of(app):
    """Which interface *app* speaks: "asgi", "asgi2", "rsgi" or "wsgi"."""
    import inspect

    if hasattr(app, "__rsgi__"):
        return "rsgi"
    if inspect.isclass(app):
        return {2: "wsgi", 3: "asgi"}.get(count_arguments(app), "asgi2")
    is_function = inspect.isfunction(app) or inspect.ismethod(app)
    call = app if is_function else app.__call__
    while hasattr(call, "func") and not inspect.isfunction(call):
        call = call.func  # functools.partial
    is_async = inspect.iscoroutinefunction(call)
    wanted = count_arguments(app)
    if wanted == 3:
        return "asgi"
    if wanted == 2:
        return "rsgi" if is_async else "wsgi"
    if wanted == 1 and not is_async:
        return "asgi2"
    if wanted == 0:
        raise StartError("the application is called without arguments, as a function is that "
                         "makes one: then --factory has to be given")
    raise StartError("it cannot be told which interface the application speaks; "
                     "say --interface asgi, rsgi or wsgi")


def doubt_interface(app, kind):
    """Warn who asks for another interface than the application seems to have."""
    try:
        seems = interface_of(app)
    except StartError:
        return
    if seems == "rsgi" and callable(app):  # it may well have two
        return
    if seems[:4] != kind[:4]:  # asginl and asgi2 are asgi, too
        _shoal.log("warning", f"--interface {kind} was given, but the application looks like "
                   f"{seems.rstrip('2')}: if requests fail, leave the option out")


def count_arguments(app):
    """How many positional arguments *app* needs, None when that cannot be told."""
    import inspect

    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return None
    kinds = [p.kind for p in parameters if p.default is p.empty]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return 3 if inspect.iscoroutinefunction(app) else None
    return len([k for k in kinds if k is not inspect.Parameter.VAR_KEYWORD])


# ---- checking -------------------------------------------------------------


def check():
    """For --check: load the application, say on the standard output how it went, and end."""
    import os

    said, code = "does not load", LOADS_NOT
    try:
        said, code = "loads as " + kind_of(load(CONFIG["target"], CONFIG["factory"])), LOADS
    except StartError as error:
        _shoal.log("error", str(error))
    except BaseException as error:
        # That a module refused is the reason, and is said below.
        if not REFUSED:
            _shoal.log("error", format_exception(error))
    if CONFIG["own_interpreter"]:
        try_extensions(CONFIG["check_fd"])
    else:
        list_extensions(CONFIG["check_fd"])
    if REFUSED:
        code = LOADS_IN_PART if code == LOADS else LOADS_NOT
        said = said + ", " if code == LOADS_IN_PART else ""
        said += "refused by " + ", ".join(REFUSED)
    print("interp" if CONFIG["own_interpreter"] else "process", said, sep=": ")
    sys.stdout.flush()
    sys.stderr.flush()
    # The application's threads may go on for ever, and nothing was served.
    os._exit(code)


def list_extensions(fd):
    """Write name and file of each extension module that is loaded."""
    import os
    from importlib.machinery import ExtensionFileLoader

    loaders = {name: getattr(getattr(module, "__spec__", None), "loader", None)
               for name, module in list(sys.modules.items())}
    for name, loader in loaders.items():
        if isinstance(loader, ExtensionFileLoader):
            os.write(fd, f"{loader.name}\t{loader.path}\n".encode())


def try_extensions(fd):
    """Begin to load those of the list at which the application did not arrive."""
    import os
    from importlib.machinery import ExtensionFileLoader, ModuleSpec

    with os.fdopen(os.dup(fd), encoding="utf-8") as listed:
        listed.seek(0)
        for name, path in (line[:-1].split("\t") for line in listed):
            if name in sys.modules or name in REFUSED:
                continue
            # Not executed: that needs what should have been imported before.
            loader = ExtensionFileLoader(name, path)
            try:
                loader.create_module(ModuleSpec(name, loader, origin=path))
            except BaseException:
                pass  # what is a refusal has been noted


# ---- serving --------------------------------------------------------------


def kind_of(app):
    """The interface that *app* speaks or that was asked for."""
    if not callable(app) and not hasattr(app, "__rsgi__"):
        raise StartError(f"the application is {type(app).__name__}, which cannot be called; "
                         "name a callable, or use --factory")
    if CONFIG["interface"] == "auto":
        return interface_of(app)
    doubt_interface(app, CONFIG["interface"])
    return CONFIG["interface"]


def serve(app):
    """Serve *app* by its interface."""
    kind = kind_of(app)
    if kind == "wsgi":
        _shoal.setup("wsgi", app, None)
        return serve_wsgi()
    return serve_async(app, kind)


def tame_gc():
    """Keep the cyclic collector's pauses short: called when the start is over.

    An application that has changed the collector's thresholds, or has switched it
    off, has its reasons.  Returns what to call while the shard is idle, or None.
    """
    if not CONFIG["tame_gc"] or not gc.isenabled() or gc.get_threshold() != GC_DEFAULT:
        return None
    gc.collect()
    gc.freeze()
    # Without a third threshold it is incremental, and has a pace of its own.
    if GC_DEFAULT[2]:
        gc.set_threshold(*GC_THRESHOLDS)
    halfway = gc.get_threshold()[2] / 2

    def collect(thorough):
        # A full collection is worth its time when Python's own is half way due.
        if not thorough:
            gc.collect(1)
        elif gc.get_count()[2] >= halfway:
            gc.collect()

    return collect


def serve_wsgi():
    """WSGI needs no event loop: the turns are run in C."""
    tame_gc()
    _shoal.serve_wsgi()
    return 0


def make_loop():
    """The shard's event loop, and asyncio's current one."""
    import asyncio

    loop = _shoal.embedded("loop").Loop()
    asyncio.set_event_loop(loop)
    _shoal.use_loop(loop)
    return loop


def serve_async(app, kind):
    """ASGI and RSGI: inside asyncio's loop."""
    loop = make_loop()
    before_spawning(loop._selector.spawns)
    if kind == "rsgi":
        if hasattr(app, "__rsgi_init__"):
            app.__rsgi_init__(loop)
        target = getattr(app, "__rsgi__", app)
    else:
        target = single_callable(app) if is_double(app, kind) else app
    run_to_the_end(loop, loop.create_task(live(target, kind, loop), name="shoal"))
    end_async(app, kind, loop)
    return 0


async def live(app, kind, loop):
    """The shard's life, from lifespan start-up to its shutdown.

    One task that the loop runs until it is complete, as asyncio.run() has one:
    libraries look for it, and have what is to last as long as the loop last as
    long as this task (anyio its worker threads).
    """
    lifespan = None
    if kind not in ("asginl", "rsgi") and CONFIG["lifespan"] != "off":
        lifespan = Lifespan(app, loop)
        await lifespan.startup()
    _shoal.setup("rsgi" if kind == "rsgi" else "asgi", app, lifespan and lifespan.state)
    await serve_to_the_end(loop)
    try:
        await cancel(requests_of(loop))
        if lifespan is not None:
            await lifespan.shutdown()
    except BaseException as error:
        tell_failed_stop(error)


async def serve_to_the_end(loop):
    """Take connections until the shard has drained."""
    import asyncio

    drained = asyncio.Event()
    loop._selector.serve(drained.set, tame_gc())
    _shoal.listen()
    told = False
    while not drained.is_set():
        try:
            await drained.wait()
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()
            if not told:
                _shoal.log("warning", "the application cancelled the server's task, which goes "
                           "on: cancel only tasks that you have made")
            told = True


def run_to_the_end(loop, life):
    """Run *loop* until the task *life* is done: it is not the application's to stop."""
    told = False
    while True:
        try:
            return loop.run_until_complete(life)
        except RuntimeError:
            if life.done() or loop.is_closed():
                raise
        if not told:
            _shoal.log("warning", "the application stopped the event loop, which goes on: raise "
                       "an exception to end a request, send SIGTERM to end the server")
        told = True


def is_double(app, kind):
    """Whether *app* is one of ASGI 2, also where it was called ASGI."""
    if kind == "asgi":
        try:
            return interface_of(app) == "asgi2"
        except StartError:
            return False
    return kind == "asgi2"


def single_callable(app):
    """An ASGI 2 application (``app(scope)(receive, send)``) as an ASGI 3 one."""

    async def asgi3(scope, receive, send):
        await app(scope)(receive, send)

    return asgi3


def requests_of(loop):
    """The tasks of requests that are left when the graceful timeout is over."""
    import asyncio

    return {task for task in asyncio.all_tasks(loop)
            if type(task.get_coro()).__module__ == _shoal.__name__}


async def cancel(tasks):
    """Cancel *tasks*, and let them end."""
    import asyncio

    tasks.discard(asyncio.current_task())
    for task in tasks:
        task.cancel("the server is stopping")
    if tasks:
        await asyncio.wait(tasks, timeout=5)


def tell_failed_stop(error):
    """Log what was raised while all ends."""
    _shoal.log("error", "While stopping: " + format_exception(error))


def end_async(app, kind, loop):
    """Tell an RSGI application, end the tasks it has left, close the loop."""
    import asyncio

    try:
        if kind == "rsgi" and hasattr(app, "__rsgi_del__"):
            app.__rsgi_del__(loop)
        loop.run_until_complete(cancel(asyncio.all_tasks(loop)))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor(5))
    except BaseException as error:
        tell_failed_stop(error)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class Lifespan:
    """The application's lifespan (ASGI): started before, ended after all requests."""

    def __init__(self, app, loop):
        import asyncio

        self.app = app
        self.loop = loop
        self.state = {}
        self.inbox = asyncio.Queue()
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.task = None
        self.error = None
        self.answer = None

    async def startup(self):
        """Return when the application is ready; StartError when it says it failed."""
        self.task = self.loop.create_task(self.run())
        self.inbox.put_nowait({"type": "lifespan.startup"})
        await self.started.wait()
        if self.answer == "lifespan.startup.failed":
            raise StartError("the application's lifespan start-up failed"
                             + (f": {self.message}" if self.message else "")) from self.error
        if self.answer is None and isinstance(self.error, (SystemExit, KeyboardInterrupt)):
            raise StartError("the application exits in its lifespan start-up") from self.error
        if self.answer is None and CONFIG["lifespan"] == "on":
            raise StartError("the application does not support lifespan, and --lifespan on "
                             "demands it") from self.error
        if self.answer is None:
            why = f" ({self.error!r})" if self.error is not None else ""
            _shoal.log("info", "the application does not support lifespan" + why)

    async def shutdown(self):
        """Tell the application that all is over, and wait until it says so or returns."""
        if self.task is None or self.task.done():
            return
        self.inbox.put_nowait({"type": "lifespan.shutdown"})
        await self.stopped.wait()
        if self.answer == "lifespan.shutdown.failed":
            _shoal.log("error", f"the application's lifespan shutdown failed: {self.message}")

    async def run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"},
                 "state": self.state}
        try:
            await self.app(scope, self.inbox.get, self.send)
        except BaseException as error:
            self.error = error
            # At once: the end may be weeks away.  Who said "failed" has said why.
            if str(self.answer).endswith("complete") and not isinstance(error, GeneratorExit):
                _shoal.log("error", "Exception in lifespan: " + format_exception(error))
        finally:
            self.started.set()
            self.stopped.set()

    async def send(self, message):
        """What the application calls; raises for anything out of place."""
        kind = message["type"]
        stage, event = ((("lifespan.startup.complete", "lifespan.startup.failed"), self.started)
                        if not self.started.is_set() else
                        (("lifespan.shutdown.complete", "lifespan.shutdown.failed"), self.stopped))
        if kind not in stage or event.is_set():
            raise RuntimeError(f"{kind!r} is no lifespan message, or out of place")
        self.answer = kind
        self.message = message.get("message", "")
        event.set()
