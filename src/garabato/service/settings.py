"""Settings of a service, from options of `garabato serve` and GARABATO_* variables."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from garabato.errors import InputError, nearest_name
from garabato.gallery.milvus.server import parse_address

#: A name has no slash or colon, so that paths and addresses with "=" are not taken apart.
_NAMED = re.compile(r"([\w.-]+)=(.+)")
_BEFORE_NAME = re.compile(r",(?=[\w.-]+=)")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one service. The variable GARABATO_<FIELD> sets a field.

    `gallery` None is the starter gallery, made on first use; `galleries` has the names of several.
    If `token` is set, changes need it. Without a token they are refused, unless the service is
    bound to this machine only.
    """

    #: Each as "URI" or "NAME=URI". One text may hold several: "icons=URI,drawings=URI".
    gallery: str | tuple[str, ...] | None = None
    model: str | None = None
    #: File with categories added to the encoder; by default the one beside the encoder file.
    categories: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    #: The address visitors use, with its path if a proxy serves a subpath; then the addresses of
    #: other sites whose pages may use the API (CORS).
    public_url: tuple[str, ...] = ()
    #: Whether visitors without the token may hide a drawing; an operator can restore it.
    visitors_may_hide: bool = False
    writes_per_minute: int = 120
    max_body_bytes: int = 8 * 2**20
    #: Pixels of a picture, as decoded; larger ones need more memory than a file may take.
    max_pixels: int = 9_000_000
    max_strokes: int = 2_000
    max_points: int = 20_000
    #: Queries that may wait for the encoder; further ones get 503.
    max_waiting: int = 256
    #: Queries encoded together, and how long a busy service waits for more of them.
    batch_size: int = 32
    batch_window_ms: float = 2.0
    #: Time to read a request and begin the response.
    request_timeout_s: float = 30.0
    #: Time for the client to take the response.
    send_timeout_s: float = 120.0
    #: Time a connection may be silent before its first request and between requests.
    idle_timeout_s: float = 20.0
    max_connections: int = 20_000

    @classmethod
    def from_environment(
        cls, given: Mapping[str, Any], environment: Mapping[str, str] = os.environ
    ) -> Settings:
        """Fields from `given` unless None or empty, then GARABATO_* variables, then defaults.

        Raises InputError that names the variable and the values it takes, also for a variable whose
        name looks like a misspelt one of these.
        """
        _check_names([field.name.upper() for field in fields(cls)], environment)
        values = {name: value for name, value in given.items() if value not in (None, ())}
        for field in fields(cls):
            variable = f"GARABATO_{field.name.upper()}"
            if field.name not in values and environment.get(variable):
                values[field.name] = _parse(variable, environment[variable], str(field.type))
        settings = cls(**values)
        settings.check()
        return settings

    def check(self) -> None:
        """Raise InputError for an invalid value."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not 0 <= value < math.inf:  # false for NaN
                raise InputError(f"{field.name} must be a finite number of at least 0, not {value}")
        for name in ("max_waiting", "batch_size", "max_body_bytes", "max_strokes", "max_points"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.port > 65_535:
            raise InputError(f"port must be 0 to 65535, not {self.port}")
        for url in self.public_url:
            origin_of(url)
        _ = self.galleries
        if self.token is not None and not re.fullmatch(r"[!-~]{8,}", self.token):
            raise InputError(
                "the token needs at least 8 characters, all of them ASCII and none of them a space "
                "or a line break; make one: openssl rand -hex 16"
            )

    @property
    def galleries(self) -> dict[str, str]:
        """The address of each gallery by name, in order; empty for the starter gallery.

        A gallery without a name is named after its folder or collection. Raises InputError if two
        have one name.
        """
        given = (self.gallery,) if isinstance(self.gallery, str) else self.gallery or ()
        found: dict[str, str] = {}
        for text in (part for several in given for part in _BEFORE_NAME.split(several)):
            named = _NAMED.fullmatch(text)
            name, uri = named.groups() if named else (_name_of(text), text)
            if name in found:
                raise InputError(
                    f"two galleries are named {name!r}, {found[name]} and {uri}; name them as in "
                    f"--gallery {name}-2={uri}"
                )
            found[name] = uri
        return found

    @property
    def root_path(self) -> str:
        """The path of the first public URL without the slash at its end: "/draw", or ""."""
        return urlsplit(self.public_url[0]).path.rstrip("/") if self.public_url else ""

    @property
    def origins(self) -> list[str]:
        """The origins of the public URLs: "https://draw.example"."""
        return [origin_of(url) for url in self.public_url]

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can reach the service: it is bound to loopback and
        has no public URL."""
        return is_loopback(self.host) and not self.public_url


def origin_of(url: str) -> str:
    """The origin of an http(s) URL, as browsers send it. Raises InputError."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        parts, port, host = urlsplit(""), None, None
    if parts.scheme not in _DEFAULT_PORTS or not host or set("@ \t\\") & set(parts.netloc):
        raise InputError(f"public_url must be an address such as https://draw.example, not {url!r}")
    shown = f"[{host}]" if ":" in host else host
    is_default = port in (None, _DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{shown}" + ("" if is_default else f":{port}")


def is_loopback(host: str) -> bool:
    """Whether a host name or address (without port) means this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_names(names: list[str], environment: Mapping[str, str]) -> None:
    """Raise InputError for a variable that is not a setting."""
    for variable in environment:
        prefix, _, name = variable.partition("_")
        if prefix == "GARABATO" and name not in names:
            nearest = nearest_name(name, names, at_least=0.85)
            if nearest:
                raise InputError(f"{variable} is not a setting; did you mean GARABATO_{nearest}?")


def _parse(variable: str, text: str, kind: str) -> Any:
    try:
        if kind == "bool":
            if text.lower() not in _TRUE | _FALSE:
                raise ValueError
            return text.lower() in _TRUE
        if kind.startswith("tuple"):
            return tuple(text.replace(",", " ").split())
        return {"int": int, "float": float}.get(kind, str)(text)
    except ValueError:
        if variable == "GARABATO_PORT" and text.startswith("tcp://"):
            raise InputError(
                f"GARABATO_PORT is {text!r}, which Kubernetes sets for a service named garabato: "
                "rename the service, or set GARABATO_PORT or --port to a number"
            ) from None
        words = {"bool": "true or false", "int": "a whole number", "float": "a number"}
        raise InputError(f"{variable} must be {words[kind]}, not {text!r}") from None


def _name_of(uri: str) -> str:
    if "://" in uri:
        return parse_address(uri).collection
    return Path(uri).absolute().name.removesuffix(".gallery") or "gallery"
