"""What one run of the command line has in common: the daemon it speaks to, and where it writes.

The daemon is the one that `-H` names, else FAIRLEAD_HOST, else DOCKER_HOST, else unix:///run/fairlead.sock.
Another engine's socket is never taken because ours is not there: `system prune` would empty it.
"""

import os
import signal
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from fairlead.cli.problems import Ending

if TYPE_CHECKING:
    from fairlead.client import Client
    from fairlead.client.tls import TlsFiles


class Session:
    """Made once, before any command runs; opens nothing until a command asks."""

    def __init__(self, program: str = "fairlead", environment: Mapping[str, str] | None = None):
        self.program = program
        self.environment = os.environ if environment is None else environment
        self.hosts: list[str] = []
        self.debug = False
        self.tls = False
        self.tls_verify = bool(self.environment.get("DOCKER_TLS_VERIFY"))
        certificates = self.environment.get("DOCKER_CERT_PATH") or self.configuration_directory
        self.tls_files = {
            "authority": f"{certificates}/ca.pem",
            "certificate": f"{certificates}/cert.pem",
            "key": f"{certificates}/key.pem",
        }

    @property
    def configuration_directory(self) -> str:
        """Where Docker's client keeps its configuration, which is read here too."""
        home = self.environment.get("HOME", "/root")
        return self.environment.get("DOCKER_CONFIG") or f"{home}/.docker"

    @property
    def host(self) -> str:
        """The daemon's address, as text."""
        from fairlead.client.address import DEFAULT

        if len(self.hosts) > 1:
            raise Ending(1, "Specify only one -H")
        named = [*self.hosts, self.environment.get("FAIRLEAD_HOST"), self.environment.get("DOCKER_HOST")]
        return next((host for host in named if host), DEFAULT)

    @cached_property
    def client(self) -> "Client":
        """The API of that daemon.  Ending when the address is none."""
        from fairlead.client import Client
        from fairlead.client.address import parse_address
        from fairlead.client.errors import InvalidAddress

        tls = self._tls()
        try:
            address = parse_address(self.host, tls is not None)
        except InvalidAddress as problem:
            reason = f"unable to resolve docker endpoint: {problem}"
            raise Ending(1, f"Failed to initialize: {reason}") from None
        version = self.environment.get("DOCKER_API_VERSION", "")
        return Client(address, version, tls)

    @cached_property
    def configuration(self) -> dict[str, object]:
        """Docker's config.json; what is missing or damaged counts as empty."""
        import json

        try:
            with open(f"{self.configuration_directory}/config.json", "rb") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, text: str) -> None:
        """To standard output, as it is."""
        sys.stdout.write(text)

    def line(self, text: str = "") -> None:
        """To standard output, one line."""
        sys.stdout.write(text + "\n")

    def complain(self, text: str) -> None:
        """To standard error, one line, after what was written before it."""
        sys.stdout.flush()
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def flush(self) -> None:
        """Let everything out.  BrokenPipeError when nobody reads it any more."""
        sys.stdout.flush()

    def abandon_output(self) -> int:
        """The reader has gone: write to nobody from now on; the exit code of a program that is told so."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE

    @property
    def output(self) -> BinaryIO:
        """Standard output for bytes, after what was written before."""
        sys.stdout.flush()
        return sys.stdout.buffer

    @property
    def errors(self) -> BinaryIO:
        """Standard error for bytes."""
        sys.stderr.flush()
        return sys.stderr.buffer

    def interactive(self, descriptor: int = 1) -> bool:
        """Whether standard output (1), input (0) or error (2) is a terminal."""
        try:
            return os.isatty(descriptor)
        except OSError:
            return False

    def _tls(self) -> "TlsFiles | None":
        if not (self.tls or self.tls_verify):
            return None
        from fairlead.client.tls import TlsFiles

        there = {name: path for name, path in self.tls_files.items() if os.path.exists(path)}
        return TlsFiles(**there, verify=self.tls_verify)
