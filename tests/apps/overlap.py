"""How many calls are inside at once: each waits until ?n have entered."""

import threading

from kit import answer, query

lock = threading.Condition()
inside = 0
most = 0
threads = set()


def wsgi(environ, start_response):
    global inside, most
    if environ["PATH_INFO"] == "/most":
        text = "%d %d\n" % (most, len(threads))
        return answer(start_response, text)
    wanted = int(query(environ)["n"])
    with lock:
        threads.add(threading.get_ident())
        inside += 1
        most = max(most, inside)
        lock.notify_all()
        together = lock.wait_for(lambda: most >= wanted, 20)
        inside -= 1
    return answer(start_response, "%s\n" % together)
