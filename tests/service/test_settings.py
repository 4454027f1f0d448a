"""What a service can be told."""

from __future__ import annotations

import pytest

from garabato.errors import InputError
from garabato.service.settings import Settings, is_loopback


def test_options_come_before_variables_and_these_before_defaults() -> None:
    variables = {"GARABATO_PORT": "9000", "GARABATO_HOST": "::1", "GARABATO_TOKEN": "", "PATH": "x"}
    settings = Settings.from_environment({"port": 7000, "host": None}, variables)
    assert (settings.port, settings.host, settings.token) == (7000, "::1", None)
    assert settings.max_points == Settings().max_points


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("VISITORS_MAY_HIDE", "true", True),
        ("VISITORS_MAY_HIDE", "0", False),
        ("BATCH_WINDOW_MS", "1.5", 1.5),
        ("MAX_BODY_BYTES", "1000", 1000),
        ("GALLERY", "http://milvus:19530/drawings", "http://milvus:19530/drawings"),
    ],
)
def test_variables_are_converted_to_the_type_of_their_setting(
    variable: str, text: str, value: object
) -> None:
    settings = Settings.from_environment({}, {f"GARABATO_{variable}": text})
    assert getattr(settings, variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "eighty"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("VISITORS_MAY_HIDE", "perhaps"),
        ("BATCH_SIZE", "0"),
        ("TOKEN", "short"),
        ("TOKEN", "0123456789abcdef\n"),
        ("TOKEN", "contraseña larga"),
        ("IDLE_TIMEOUT_S", "soon"),
        ("IDLE_TIMEOUT_S", "nan"),
        ("IDLE_TIMEOUT_S", "inf"),
    ],
)
def test_the_error_for_an_invalid_variable_names_it(variable: str, text: str) -> None:
    with pytest.raises(InputError, match=f"(?i){variable}"):
        Settings.from_environment({}, {f"GARABATO_{variable}": text})


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("localhost.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_error_for_a_port_that_kubernetes_set_explains_it() -> None:
    variables = {"GARABATO_PORT": "tcp://10.0.0.1:8000"}
    with pytest.raises(InputError, match="Kubernetes sets for a service named garabato"):
        Settings.from_environment({}, variables)


def test_a_misspelt_variable_is_refused_and_variables_of_kubernetes_are_ignored() -> None:
    with pytest.raises(InputError, match=r"GARABATO_GALERY is not a setting.*GARABATO_GALLERY"):
        Settings.from_environment({}, {"GARABATO_GALERY": "my.gallery"})
    kubernetes = {
        "GARABATO_SERVICE_HOST": "10.0.0.1",
        "GARABATO_SERVICE_PORT": "8000",
        "GARABATO_PORT_8000_TCP_PORT": "8000",
        "GARABATO_SOURCE": "simplified",
        "GARABATO_MILVUS_TOKEN": "root:Milvus",
    }
    assert Settings.from_environment({}, kubernetes) == Settings()


def test_public_urls_give_the_subpath_and_the_origins() -> None:
    given = "https://Example.org:443/draw/ http://[::1]:8000,https://app.example:8443/x"
    settings = Settings.from_environment({"public_url": ()}, {"GARABATO_PUBLIC_URL": given})
    assert settings.root_path == "/draw"
    assert settings.origins == [
        "https://example.org",
        "http://[::1]:8000",
        "https://app.example:8443",
    ]
    assert Settings(public_url=("https://a.example/",)).root_path == ""
    assert (Settings().root_path, Settings().origins) == ("", [])


def test_a_service_with_a_public_url_is_not_local() -> None:
    assert Settings().is_local
    assert not Settings(public_url=("https://a.example",)).is_local


@pytest.mark.parametrize(
    "url",
    ["draw.example", "ftp://a", "https://", "https://a:x", "http://[", "http://u@a", "https://a b"],
)
def test_a_public_url_that_is_not_an_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="public_url"):
        Settings.from_environment({"public_url": (url,)}, {})
