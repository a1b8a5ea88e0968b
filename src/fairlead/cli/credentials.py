"""Who we are to a registry: what `docker login` left in config.json."""

import base64
import json
from typing import Any

from fairlead.cli.reference import HUB
from fairlead.cli.session import Session

_HUB_KEY = "https://index.docker.io/v1/"


def header(session: Session, domain: str) -> str:
    """The value of X-Registry-Auth for a registry; "" when nobody has logged in to it."""
    stored = session.configuration.get("auths")
    accounts: dict[str, Any] = stored if isinstance(stored, dict) else {}
    keys = [_HUB_KEY] if domain == HUB else [domain, f"https://{domain}", f"http://{domain}"]
    account = next((accounts[key] for key in keys if isinstance(accounts.get(key), dict)), None)
    return "" if account is None else _encoded(_chosen(account, keys[0]))


def header_of_all(session: Session) -> str:
    """The value of X-Registry-Config: every registry that somebody has logged in to."""
    stored = session.configuration.get("auths")
    accounts: dict[str, Any] = stored if isinstance(stored, dict) else {}
    return _encoded({key: _chosen(each, key) for key, each in accounts.items() if isinstance(each, dict)})


def _chosen(account: dict[str, Any], server: str) -> dict[str, Any]:
    user, _, password = _decoded(str(account.get("auth", ""))).partition(":")
    document = {
        "username": account.get("username") or user,
        "password": account.get("password") or password,
        "identitytoken": account.get("identitytoken", ""),
        "serveraddress": server,
    }
    return {name: value for name, value in document.items() if value}


def _encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode().rstrip("\0")
    except ValueError:
        return ""
