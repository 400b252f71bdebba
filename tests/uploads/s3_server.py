"""An S3 server on this machine, moto's, which checks signatures and can be told to fail."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hmac
import io
import logging
import os
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

import boto3
from botocore.config import Config
from moto import settings
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import FakeKey, FakeMultipart
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wsgi import get_input_stream

from runpod import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BUCKET = "inputs"
REGION = "us-east-1"
TEST_TIMEOUT = 10.0

logging.getLogger("werkzeug").setLevel(logging.ERROR)


@dataclass
class Request:
    """A request that arrived."""

    operation: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """A response in place of moto's."""

    status: int
    code: str = ""
    message: str = "Something happened."
    body: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    # Whether moto gets the request, so that only its response is lost.
    after: bool = False

    def content(self) -> bytes:
        if self.body is not None:
            return self.body.encode()
        if not self.code:
            return b""
        return f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message></Error>".encode()


@dataclass(frozen=True)
class Break:
    """Closes the connection."""

    # Bytes of the request that are read before.
    size: int = 0
    # Whether moto gets the request, so that only its response is lost.
    after: bool = False


@dataclass
class Hold:
    """Reads a part of the request, then waits until it is released, and passes the request on."""

    size: int = 1
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class S3Server:
    """moto's S3, and faults by operation: `PutObject`, `UploadPart`, `DeleteObject` and so on."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._script: dict[str, deque[Any]] = {}
        self._default: dict[str, Any] = {}
        self._app = DomainDispatcherApplication(create_backend_app)
        # How far its clock is behind that of this machine, and what it sends instead of a date.
        self.behind = timedelta(0)
        self.date: str | None = None
        server = self

        class Handler(WSGIRequestHandler):
            def date_time_string(self, timestamp: float | None = None) -> str:
                now = datetime.now(timezone.utc) - server.behind
                return format_datetime(now, usegmt=True) if server.date is None else server.date

        self._server = make_server("127.0.0.1", 0, self._handle, threaded=True, request_handler=Handler)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.client = self._client("s3", "admin", "admin")
        self.client.create_bucket(Bucket=BUCKET)
        # Two accounts, of which one has no rights.
        iam = self._client("iam", "admin", "admin")
        iam.create_user(UserName="tester")
        policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
        iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=policy)
        key = iam.create_access_key(UserName="tester")["AccessKey"]
        self.key_id: str = key["AccessKeyId"]
        self.secret: str = key["SecretAccessKey"]
        iam.create_user(UserName="stranger")
        key = iam.create_access_key(UserName="stranger")["AccessKey"]
        self.stranger: tuple[str, str] = key["AccessKeyId"], key["SecretAccessKey"]
        self.client = self._client("s3", self.key_id, self.secret)
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0

    def _client(self, service: str, key_id: str, secret: str) -> Any:
        return boto3.session.Session(key_id, secret, region_name=REGION).client(
            service, endpoint_url=self.url, config=Config(s3={"addressing_style": "path"})
        )

    def respond(self, operation: str, *responses: Any) -> None:
        """Respond to the next requests of an operation; None is moto's response."""
        self._script.setdefault(operation, deque()).extend(responses)

    def always(self, operation: str, response: Any) -> None:
        """Respond to all other requests of an operation."""
        self._default[operation] = response

    def reset(self) -> None:
        """Forget the faults, and empty the bucket."""
        self._script.clear()
        self._default.clear()
        self.behind, self.date = timedelta(0), None
        for key in self.objects():
            self.client.delete_object(Bucket=BUCKET, Key=key)
        for upload in self.parts():
            self.client.abort_multipart_upload(Bucket=BUCKET, **upload)
        # moto keeps what was deleted as well.
        for kind in (FakeKey, FakeMultipart):
            for each in kind.instances_tracked:
                each.dispose()
            kind.instances_tracked.clear()
        self.requests.clear()

    def objects(self) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def parts(self) -> list[dict[str, str]]:
        """The unfinished uploads in parts."""
        uploads = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [{"Key": each["Key"], "UploadId": each["UploadId"]} for each in uploads]

    def sent(self, operation: str) -> int:
        """How many requests of an operation arrived."""
        return [request.operation for request in self.requests].count(operation)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(TEST_TIMEOUT)
        settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
        self._server.server_close()

    def _handle(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        operation = _operation(environ)
        headers = {
            name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        self.requests.append(
            Request(operation, environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"], keep_blank_values=True), headers)
        )
        script = self._script.get(operation)
        fault = script.popleft() if script else self._default.get(operation)
        if callable(fault):
            fault = fault()
        stream = get_input_stream(environ)  # it ends where the request does
        if isinstance(fault, Hold):
            head = stream.read(fault.size)
            fault.arrived.set()
            assert fault.released.wait(TEST_TIMEOUT)
            environ["wsgi.input"] = io.BytesIO(head + stream.read())
        if isinstance(fault, Break):
            if fault.after:
                list(self._app(environ, lambda *_: None))
            else:
                stream.read(fault.size)
            connection: socket.socket = environ["werkzeug.socket"]
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            raise ConnectionError
        if isinstance(fault, Answer):
            if fault.after:
                list(self._app(environ, lambda *_: None))
            else:
                while stream.read(2**16):
                    pass
            content = fault.content()
            start(f"{fault.status} Answer", [("Content-Length", str(len(content))), *fault.headers])
            return [content]
        if "X-Amz-Signature" in environ["QUERY_STRING"]:
            return self._presigned(environ, start)
        return self._app(environ, start)

    def _presigned(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Checks the signature and the age of a URL, which moto does not."""
        path, _, query = environ["RAW_URI"].partition("?")
        signed, _, signature = query.rpartition("&X-Amz-Signature=")
        values = {name: each[0] for name, each in parse_qs(query).items()}
        key_id, scope = values["X-Amz-Credential"].split("/", 1)
        request = "\n".join(
            [
                "GET",
                path,
                "&".join(sorted(signed.split("&"))),
                f"host:{environ['HTTP_HOST']}",
                "",
                "host",
                "UNSIGNED-PAYLOAD",
            ]
        )
        text = "\n".join([values["X-Amz-Algorithm"], values["X-Amz-Date"], scope, sha256(request.encode()).hexdigest()])
        key = b"AWS4" + self.secret.encode()
        for part in [*scope.split("/"), text]:
            key = hmac.digest(key, part.encode(), "sha256")
        signed_at = datetime.strptime(values["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        expired = datetime.now(timezone.utc) > signed_at + timedelta(seconds=int(values["X-Amz-Expires"]))
        if key_id != self.key_id or key.hex() != signature or expired:
            start("403 Forbidden", [])
            return []
        try:
            found = self.client.get_object(Bucket=BUCKET, Key=unquote(path).split("/", 2)[2])
        except self.client.exceptions.NoSuchKey:
            start("404 Not Found", [])
            return []
        start("200 OK", [("Content-Type", found["ContentType"])])
        return [found["Body"].read()]


def _operation(environ: dict[str, Any]) -> str:
    method, query = environ["REQUEST_METHOD"], environ["QUERY_STRING"]
    if "uploadId=" in query:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}[method]
    if method == "POST" and query.startswith("uploads"):
        return "CreateMultipartUpload"
    names = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
    return names.get(method, method)


class Source:
    """A file in memory that counts how often it is opened."""

    def __init__(self, data: bytes = b"horse" * 100, name: str = "horse.png", mime: str = "image/png") -> None:
        self.data, self.name, self.mime, self.size = data, name, mime, len(data)
        self.opened = 0
        self.gone = False

    def open(self) -> io.BytesIO:
        self.opened += 1
        if self.gone:
            raise InvalidRequestError("The file 'horse.png' has changed.")
        return io.BytesIO(self.data)


@functools.cache
def running() -> S3Server:
    """The only server of this process: the accounts of moto, and its switch for signatures, are those of the process."""
    # The fixture that hides the developer's settings lives as long as one test, the server longer.
    hidden = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    rest = {name: value for name, value in os.environ.items() if not name.upper().startswith("AWS_")}
    with mock.patch.dict(os.environ, {**rest, **hidden, "no_proxy": "*"}, clear=True):
        server = S3Server()
    atexit.register(server.close)
    return server
