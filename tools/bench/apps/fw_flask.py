"""Flask, JSON."""

from flask import Flask, jsonify

wsgi = Flask(__name__)


@wsgi.get("/")
def index():
    return jsonify(message="Hello, world!")
