"""An application under wsgiref's validator, reading and writing."""

from wsgiref.validate import validator

from kit import TEXT


def bare(environ, start_response):
    body = environ["wsgi.input"].read(100)
    write = start_response("200 OK", [("Content-Type", TEXT)])
    if environ["QUERY_STRING"] == "write":
        write(b"written ")
    return iter([b"got ", body])


wsgi = validator(bare)
