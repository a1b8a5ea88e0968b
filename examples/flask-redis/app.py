"""A page that counts how often it was asked for; the count is kept in redis."""

import os
import socket

from flask import Flask
from redis import Redis

app = Flask(__name__)
redis = Redis(host=os.environ.get("REDIS_HOST", "redis"), port=6379, socket_timeout=5)


@app.route("/")
def page() -> str:
    """The page, with its number."""
    return f"This page was asked for {redis.incr('hits')} times. You are served by {socket.gethostname()}.\n"


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=5000)
