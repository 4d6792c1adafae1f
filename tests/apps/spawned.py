"""What a spawned process imports; some of it is the server's."""

import shoal


def double(number):
    return 2 * number


def told():
    """What the module's calls say there."""
    try:
        return shoal.publish("room", "hello")
    except RuntimeError as error:
        return str(error)


def told_by_another():
    """The same in a process that this one starts."""
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(told)
