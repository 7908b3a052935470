"""The same on Flask, for gunicorn's workers: those of gevent and eventlet make `sleep` cooperative themselves."""

import time

from flask import Flask

app = Flask(__name__)


@app.get("/hello")
def hello():
    return "Hello, world!"


@app.get("/wait")
def wait():
    time.sleep(0.1)
    return "waited"
