"""Exits while it is imported."""

import sys

sys.exit("this application does not want to start")
