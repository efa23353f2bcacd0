# SPDX-License-Identifier: Apache-2.0
"""A small web service on PostgreSQL, as a stranger would write one.

    GET  /items/{id}     one item
    GET  /items?tag=T    the 20 newest items with a tag
    POST /items          a new item: {"name": ..., "tag": ..., "price_cents": ...}
    GET  /health         does the service answer? The database is not asked.
    GET  /metrics        two counters, for Prometheus

The service knows nothing of headroom. DATABASE_URL says where the database is, HOST
and PORT where the service listens, POOL_SIZE how many connections it holds.
"""

import json
import os
import queue
import re
import signal
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import psycopg2

COLUMNS = ("id", "name", "tag", "price_cents")
ONE = "SELECT id, name, tag, price_cents FROM items WHERE id = %s"
TAGGED = "SELECT id, name, tag, price_cents FROM items WHERE tag = %s ORDER BY id DESC LIMIT 20"
NEW = "INSERT INTO items (name, tag, price_cents) VALUES (%s, %s, %s) RETURNING id"

MAX_BODY_BYTES = 64 * 1024
MAX_WAIT_S = 10  # for a connection of the pool


class Counters:
    """Totals that only grow, in Prometheus's text format."""

    def __init__(self, *names):
        self._lock = threading.Lock()
        self._totals = dict.fromkeys(names, 0)

    def add(self, name, amount):
        with self._lock:
            self._totals[name] += amount

    def page(self):
        with self._lock:
            totals = dict(self._totals)
        return "".join(f"# TYPE {name} counter\n{name} {total}\n" for name, total in totals.items())


class Pool:
    """A fixed number of connections. A request takes one, and gives it back."""

    def __init__(self, url, size, counters):
        self._url = url
        self._counters = counters
        self._free = queue.LifoQueue()
        for _ in range(size):
            self._free.put(self._connect())

    def _connect(self):
        connection = psycopg2.connect(self._url, connect_timeout=MAX_WAIT_S)
        connection.autocommit = True  # each request is one statement
        return connection

    def run(self, statement, values):
        """Runs one statement, and returns its rows."""
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    @contextmanager
    def _connection(self):
        began = time.monotonic()
        connection = self._free.get(timeout=MAX_WAIT_S)
        self._counters.add("items_pool_wait_seconds_total", time.monotonic() - began)
        try:
            if connection.closed:  # by a fault of an earlier statement
                connection = self._connect()
            yield connection
        finally:
            self._free.put(connection)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests, in a thread of its own."""

    protocol_version = "HTTP/1.1"  # connections stay open
    wbufsize = -1  # an answer leaves in one piece, head and body
    disable_nagle_algorithm = True

    def do_GET(self):
        url = urlsplit(self.path)
        one = re.fullmatch(r"/items/(\d{1,18})", url.path)
        tags = parse_qs(url.query).get("tag")
        if url.path == "/health":
            self.answer(200, {"status": "ok"})
        elif url.path == "/metrics":
            self.send(200, "text/plain; version=0.0.4", self.server.counters.page())
        elif one:
            self.respond(lambda pool: self.item(pool, int(one[1])))
        elif url.path == "/items" and tags:
            self.respond(lambda pool: (200, [dict(zip(COLUMNS, row)) for row in pool.run(TAGGED, (tags[0],))]))
        else:
            self.answer(404, {"error": "there is no such page"})

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY_BYTES:
            self.close_connection = True  # the body stays unread
            self.answer(413, {"error": "the body is too long"})
            return
        body = self.rfile.read(length)
        if urlsplit(self.path).path != "/items":
            self.answer(404, {"error": "there is no such page"})
            return
        try:
            item = json.loads(body)
            values = (str(item["name"]), str(item["tag"]), int(item["price_cents"]))
        except (ValueError, KeyError, TypeError):
            self.answer(400, {"error": "an item has a name, a tag and price_cents"})
            return
        self.respond(lambda pool: (201, {"id": pool.run(NEW, values)[0][0]}))

    @staticmethod
    def item(pool, number):
        rows = pool.run(ONE, (number,))
        if not rows:
            return 404, {"error": "there is no such item"}
        return 200, dict(zip(COLUMNS, rows[0]))

    def respond(self, ask):
        """Answers with what the database says."""
        self.server.counters.add("items_requests_total", 1)
        try:
            status, value = ask(self.server.pool)
        except queue.Empty:
            status, value = 503, {"error": "no connection to the database is free"}
        except psycopg2.Error as err:
            print(f"items: {err}", file=sys.stderr)
            status, value = 503, {"error": "the database does not answer"}
        self.answer(status, value)

    def answer(self, status, value):
        self.send(status, "application/json", json.dumps(value, separators=(",", ":")))

    def send(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keeps quiet: a line for each request costs more than the request."""


class Server(ThreadingHTTPServer):
    request_queue_size = 512  # connections that nobody has taken yet

    def __init__(self, address, pool, counters):
        self.pool = pool
        self.counters = counters
        super().__init__(address, Handler)

    def handle_error(self, request, client_address):
        """A client that went away is nobody's fault."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def stop(*_):
    raise SystemExit(0)


def main():
    signal.signal(signal.SIGTERM, stop)  # the first process of a container has no default for it
    counters = Counters("items_requests_total", "items_pool_wait_seconds_total")
    pool = Pool(os.environ["DATABASE_URL"], int(os.environ.get("POOL_SIZE", "4")), counters)
    address = os.environ.get("HOST", ""), int(os.environ.get("PORT", "8000"))
    Server(address, pool, counters).serve_forever()


if __name__ == "__main__":
    main()
