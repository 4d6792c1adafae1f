# See LICENSE for the terms.
"""Finds the module shoal, which is a part of the server and need not be installed.

What multiprocessing starts is another Python, which imports the application to
find what it is to run, and with it shoal.  So this text and the module's go
along with what such a process is told.  Nobody would hear what is published
there, and the calls say so.
"""

import importlib.machinery
import sys

SPAWN = "multiprocessing.spawn"


def install(own, text, inside=True):
    """*own* is this file's text, *text* the module's; *inside* the server."""
    finder = Finder(own, text, inside)
    sys.meta_path.insert(0, finder)
    if SPAWN in sys.modules:
        finder.tell(sys.modules[SPAWN])


class Finder:
    """One of sys.meta_path, and the module's loader."""

    def __init__(self, own, text, inside):
        self.own = own
        self.text = text
        self.inside = inside

    def find_spec(self, name, path=None, target=None):
        if name == "shoal":
            return importlib.machinery.ModuleSpec(name, self, origin="<shoal>/shoal.py")
        return self.find_spawn(path) if name == SPAWN else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(self.text, "<shoal>/shoal.py", "exec"), vars(module))
        if not self.inside:
            module.backend = module.Elsewhere()

    def find_spawn(self, path):
        """It is seldom imported, and not for this."""
        spec = importlib.machinery.PathFinder.find_spec(SPAWN, path)
        if spec:
            stock = spec.loader.exec_module

            def exec_module(module):
                stock(module)
                self.tell(module)

            spec.loader.exec_module = exec_module
        return spec

    def tell(self, spawn):
        """Have what *spawn* starts do the same."""
        stock = spawn.get_preparation_data

        def get_preparation_data(name):
            return {**stock(name), "shoal": self}

        spawn.get_preparation_data = get_preparation_data

    def __reduce__(self):
        """Unpickled, it is installed; what comes of it, nobody asks for."""
        return exec, (self.own + "\n\ninstall(own, text, False)\n",
                      {"own": self.own, "text": self.text, "__name__": "_shoal_own"})
