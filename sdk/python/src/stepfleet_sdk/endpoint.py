"""Where the coordinator is and how to speak to it: URL, key, TLS, timeouts, keepalive, retries."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import grpc

from ._version import __version__
from .errors import ConfigurationError

#: Where `stepfleet dev` listens.
DEFAULT_ENDPOINT = "http://127.0.0.1:8083"

#: Places where operating systems keep the certificate authorities that they trust.
_SYSTEM_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)
_CERTIFICATE_MARK = b"-----BEGIN CERTIFICATE-----"
#: Largest answer that is accepted, bytes: a page of a history, or a batch of pushes with their inputs.
_ANSWER_BYTES_MAX = 64 * 1024 * 1024


class Endpoint:
    """Address and options of a coordinator.

    Args:
        url: `http://host:port` or `https://host:port`.
        api_key: Sent as `authorization: Bearer <key>` with every call.
        api_key_file: The same, read from a file; white space around it is ignored.
        ca_pem: Trusts the certificate authorities of this PEM text instead of those of the operating system.
        ca_file: The same, read from a file.
        client_cert_pem: Shows this certificate to the coordinator (mutual TLS), together with `client_key_pem`.
        client_cert_file: The same, read from a file.
        client_key_pem: The key of the client certificate.
        client_key_file: The same, read from a file.
        domain_name: The name expected in the coordinator's certificate, where it differs from the host of the URL.
        user_agent: Put in front of the library's own `user-agent`.
        connect_timeout: Seconds that a connection may take to come up.
        request_timeout: Seconds that one attempt of a call may take. `get_activity_task` always has 65 s more,
            `start_sync_execution` 305 s; streams have no limit.
        keepalive_interval: Seconds between HTTP/2 pings.
        keepalive_timeout: The connection is given up when a ping stays unanswered for so many seconds.
        retries: How often a call that may be repeated safely is repeated; 0 turns it off.

    Raises:
        ConfigurationError: Options that cannot work, or a file that cannot be read.
    """

    def __init__(
        self,
        url: str = DEFAULT_ENDPOINT,
        *,
        api_key: str | None = None,
        api_key_file: str | os.PathLike[str] | None = None,
        ca_pem: bytes | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        client_cert_pem: bytes | None = None,
        client_cert_file: str | os.PathLike[str] | None = None,
        client_key_pem: bytes | None = None,
        client_key_file: str | os.PathLike[str] | None = None,
        domain_name: str | None = None,
        user_agent: str | None = None,
        connect_timeout: float = 5.0,
        request_timeout: float = 30.0,
        keepalive_interval: float = 20.0,
        keepalive_timeout: float = 10.0,
        retries: int = 4,
    ) -> None:
        self.url = url
        self._target, self._secure = _address(url)
        self._api_key = _key(api_key, api_key_file)
        self._roots = _pem(ca_pem, ca_file)
        if self._roots is not None and _CERTIFICATE_MARK not in self._roots:
            # Without this check, TLS would start with nobody to trust and refuse every coordinator.
            raise ConfigurationError("the certificate authorities hold no PEM certificate")
        self._identity = (_pem(client_cert_pem, client_cert_file), _pem(client_key_pem, client_key_file))
        if (self._identity[0] is None) != (self._identity[1] is None):
            raise ConfigurationError("client certificate and key belong together: only one of them is given")
        self._domain_name = domain_name
        own = f"stepfleet-sdk-python/{__version__}"
        self._user_agent = f"{user_agent} {own}" if user_agent else own
        self.connect_timeout = connect_timeout
        self.request_timeout = request_timeout
        self.keepalive_interval = keepalive_interval
        self.keepalive_timeout = keepalive_timeout
        self.retries = retries

    @classmethod
    def from_env(cls, url: str | None = None) -> Endpoint:
        """Reads the environment, as every Stepfleet SDK does.

        `STEPFLEET_ENDPOINT` (unless a URL is given here), `STEPFLEET_API_KEY` or `STEPFLEET_API_KEY_FILE`,
        `STEPFLEET_CA_FILE`, `STEPFLEET_CLIENT_CERT_FILE` with `STEPFLEET_CLIENT_KEY_FILE`.

        Raises:
            ConfigurationError: Options that cannot work, or a file that cannot be read.
        """
        certificate, key = _env("STEPFLEET_CLIENT_CERT_FILE"), _env("STEPFLEET_CLIENT_KEY_FILE")
        if (certificate is None) != (key is None):
            names = "STEPFLEET_CLIENT_CERT_FILE and STEPFLEET_CLIENT_KEY_FILE"
            raise ConfigurationError(f"{names} belong together: only one of them is set")
        api_key = _env("STEPFLEET_API_KEY")
        return cls(
            url or _env("STEPFLEET_ENDPOINT") or DEFAULT_ENDPOINT,
            api_key=api_key,
            api_key_file=None if api_key else _env("STEPFLEET_API_KEY_FILE"),
            ca_file=_env("STEPFLEET_CA_FILE"),
            client_cert_file=certificate,
            client_key_file=key,
        )

    def __repr__(self) -> str:
        # Keys stay out of logs.
        return f"Endpoint({self.url!r}, api_key={'set' if self._api_key else None}, retries={self.retries})"

    def _metadata(self) -> list[tuple[str, str | bytes]]:
        """What goes with every call."""
        return [("authorization", f"Bearer {self._api_key}")] if self._api_key else []

    def _channel(self) -> grpc.aio.Channel:
        """A channel of these options; connects with its first call."""
        options: list[tuple[str, object]] = [
            ("grpc.primary_user_agent", self._user_agent),
            ("grpc.keepalive_time_ms", _ms(self.keepalive_interval)),
            ("grpc.keepalive_timeout_ms", _ms(self.keepalive_timeout)),
            # The time above is not kept for a ping that was sent, only this one, which is a minute by default.
            ("grpc.http2.ping_timeout_ms", _ms(self.keepalive_timeout)),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.max_receive_message_length", _ANSWER_BYTES_MAX),
            ("grpc.max_send_message_length", -1),
            # Our own attempts decide when to try again; gRPC's default of up to two minutes would hold them back.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.min_reconnect_backoff_ms", _ms(self.connect_timeout)),
            # Calls are repeated here, where it is known which of them may be.
            ("grpc.enable_retries", 0),
            # A coordinator is reached directly, as by the other SDKs.
            ("grpc.enable_http_proxy", 0),
        ]
        if not self._secure:
            return grpc.aio.insecure_channel(self._target, options=options)
        if self._domain_name:
            options.append(("grpc.ssl_target_name_override", self._domain_name))
        certificate, key = self._identity
        credentials = grpc.ssl_channel_credentials(self._roots or _system_roots(), key, certificate)
        return grpc.aio.secure_channel(self._target, credentials, options=options)


def _address(url: str) -> tuple[str, bool]:
    """What gRPC connects to, and whether with TLS."""
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"endpoint `{url}` must begin with http:// or https://")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"endpoint `{url}` is malformed: {error}") from error
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ConfigurationError(f"endpoint `{url}` is malformed: it must be http(s)://host:port")
    secure = parts.scheme == "https"
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{port or (443 if secure else 80)}", secure


def _key(key: str | None, path: str | os.PathLike[str] | None) -> str | None:
    if key is None and path is not None:
        try:
            key = _read(path).decode().strip()
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"API key file {os.fspath(path)} is not text") from error
        if not key:
            raise ConfigurationError(f"API key file {os.fspath(path)} is empty")
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ConfigurationError("the API key holds characters that no key has")
    return key


def _pem(pem: bytes | None, path: str | os.PathLike[str] | None) -> bytes | None:
    return _read(path) if pem is None and path is not None else pem


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {os.fspath(path)}: {error.strerror}") from error


def _system_roots() -> bytes | None:
    """The operating system's certificate authorities; `None`, where they are kept elsewhere, takes those of gRPC."""
    if named := _env("SSL_CERT_FILE"):
        return _read(named)
    for path in _SYSTEM_ROOTS:
        if os.path.exists(path):
            return _read(path)
    return None


def _env(name: str) -> str | None:
    return os.environ.get(name) or None


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
