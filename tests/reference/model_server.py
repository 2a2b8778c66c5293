"""A web server that stands for those that publish models, with their faults.

Files lie under paths; a fault is for the next answers of a path:
  ("cut", bytes)      the connection ends after so many bytes of the body
  ("stall", bytes)    nothing more comes after so many bytes
  ("status", code)    an answer without the file
  ("whole", None)     a range is ignored
  ("shifted", None)   a range begins a byte too late
  ("other", content)  another file
  ("redirect", path)  the file is at another path
"""

import hashlib
import http.server
import threading
import time


class ModelServer:
    def __init__(self):
        self.files, self.faults, self.requests, self.slow = {}, {}, [], None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.answer(self)

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):  # a client that leaves is no fault
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        path, wanted = request.path, request.headers.get("Range")
        self.requests.append((path, wanted, request.headers.get("If-Range")))
        faults = self.faults.get(path, [])
        fault, value = faults.pop(0) if faults else (None, None)
        if fault == "redirect":
            return self.empty(request, 302, Location=value)
        if fault == "status":
            return self.empty(request, value)
        if path not in self.files:
            return self.empty(request, 404)
        if fault == "other":
            self.files[path] = value
        body = self.files[path]
        etag = '"' + hashlib.md5(body).hexdigest() + '"'
        begin, status = 0, 200
        if wanted and fault != "whole" and request.headers.get("If-Range", etag) == etag:
            begin, status = int(wanted.removeprefix("bytes=").removesuffix("-")), 206
            if begin >= len(body):
                return self.empty(request, 416, **{"Content-Range": f"bytes */{len(body)}"})
            begin += fault == "shifted"
        request.send_response(status)
        request.send_header("Content-Length", str(len(body) - begin))
        request.send_header("ETag", etag)
        if status == 206:
            request.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        request.end_headers()
        end = begin + value if fault in ("cut", "stall") else len(body)
        try:
            for at in range(begin, min(end, len(body)), 1 << 16):
                request.wfile.write(body[at:min(end, at + (1 << 16))])
                if self.slow:
                    time.sleep(self.slow)
            request.wfile.flush()
            if fault == "stall":
                time.sleep(20)
            if fault in ("cut", "stall"):
                request.close_connection = True
        except (BrokenPipeError, ConnectionResetError):
            request.close_connection = True

    @staticmethod
    def empty(request, status, **headers):
        request.send_response(status)
        request.send_header("Content-Length", "0")
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
