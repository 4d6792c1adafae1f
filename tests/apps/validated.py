"""$VALIDATED's application inside wsgiref's validator, which raises for every
rule of PEP 3333 that the server or the application breaks."""

import importlib
import os
from wsgiref.validate import validator

wsgi = validator(importlib.import_module(os.environ["VALIDATED"]).wsgi)
