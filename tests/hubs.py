"""The hub, as a small server: same routes, so that the hub's own client can ask it."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

REVISION, COMMIT = "refs/convert/parquet", "c0ffee" * 6 + "cafe"


@contextmanager
def serve_dataset(dataset, files):
    """Serve a dataset as the hub does; yield its address and what is asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self, body, **headers):
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_GET(self):
            # A proxy is sent the whole address.
            path = unquote(urlsplit(self.path).path)
            asked.append(f"{self.command} {path}")
            api, resolve = f"/api/datasets/{dataset}", f"/datasets/{dataset}/resolve/"
            if path == f"{api}/revision/{REVISION}":
                self.answer(json.dumps({"id": dataset, "sha": COMMIT}).encode())
            elif path == f"{api}/tree/{COMMIT}":
                tree = [
                    {"type": "file", "path": name, "size": len(body), "oid": sha(body)}
                    for name, body in files.items()
                ]
                self.answer(json.dumps(tree).encode())
            elif path.startswith(resolve + COMMIT):
                body = files[path.removeprefix(f"{resolve}{COMMIT}/")]
                etag = f'"{sha(body)}"'
                self.answer(body, ETag=etag, X_Repo_Commit=COMMIT)
            elif path == "/":
                self.answer(b"")
            else:
                self.send_error(404)

        do_HEAD = do_GET  # noqa: N815  (the base class's name)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def sha(body):
    return hashlib.sha1(body).hexdigest()
