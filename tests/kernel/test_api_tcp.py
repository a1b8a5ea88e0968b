"""The API over TCP, with and without mutual TLS, on the loopback of a network namespace of its own."""

import asyncio
import ssl
import subprocess
from pathlib import Path

from fairlead.api.server import ApiServer, Security
from tests.fakes.engine import FakeEngine
from tests.kernel.fresh_host import in_fresh_host

HOST = "tcp://127.0.0.1:2376"
CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 "
    "-keyout key.pem -out cert.pem"
)


def raise_loopback() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


async def ask(headers: str, context: ssl.SSLContext | None = None) -> bytes:
    """The first line of the answer to a ping."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 2376, ssl=context)
    writer.write(f"GET /_ping HTTP/1.1\r\n{headers}Connection: close\r\n\r\n".encode())
    try:
        return (await reader.read()).partition(b"\r\n")[0]
    except (ssl.SSLError, ConnectionError):
        return b"refused"
    finally:
        writer.close()


def test_pages_of_foreign_sites_are_refused() -> None:
    async def body() -> None:
        raise_loopback()
        server = ApiServer(FakeEngine(), [HOST])
        await server.start()
        try:
            assert await ask("Host: 127.0.0.1:2376\r\n") == b"HTTP/1.1 200 OK"
            assert await ask("Host: evil.example.net\r\n") == b"HTTP/1.1 403 Forbidden"
            origin = "Host: 127.0.0.1:2376\r\nOrigin: http://evil.example.net\r\n"
            assert await ask(origin) == b"HTTP/1.1 403 Forbidden"
        finally:
            await server.stop()

    in_fresh_host(body)


def test_mutual_tls_demands_a_certificate(tmp_path: Path) -> None:
    subprocess.run(CERTIFICATE.split(), cwd=tmp_path, check=True, capture_output=True)
    certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate)
    serving.load_cert_chain(certificate, key)
    serving.verify_mode = ssl.CERT_REQUIRED

    def client(known: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=certificate)
        if known:
            context.load_cert_chain(certificate, key)
        return context

    async def body() -> None:
        raise_loopback()
        server = ApiServer(FakeEngine(), [HOST], security=Security(serving, mutual=True))
        await server.start()
        try:
            # The name has been checked against the certificate: any will do.
            assert await ask("Host: any.name\r\n", client(known=True)) == b"HTTP/1.1 200 OK"
            assert await ask("Host: any.name\r\n", client(known=False)) in (b"refused", b"")
        finally:
            await server.stop()

    in_fresh_host(body)


def test_a_port_that_is_taken_is_named() -> None:
    async def body() -> None:
        raise_loopback()
        first = ApiServer(FakeEngine(), [HOST])
        await first.start()
        try:
            await ApiServer(FakeEngine(), [HOST]).start()
        except Exception as error:
            assert str(error) == f"cannot listen on {HOST}: Address already in use"
        else:
            raise AssertionError("two listen on one port")
        finally:
            await first.stop()

    in_fresh_host(body)
