"""Does not import."""


def inner():
    raise RuntimeError("the import went wrong")


inner()
asgi = None
