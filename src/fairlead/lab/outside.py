"""What the hosts find outside: a web server, an echo server and two name servers.

Run as `python -m fairlead.lab.outside HOSTS` in the outside's namespaces; says `ready`.

    TCP 80    "outside saw CLIENT", on every address
    UDP 7     "outside saw CLIENT"
    53        on 198.51.100.1 and .2 (UDP and TCP): the names below, NXDOMAIN for all others;
              which.example.com tells the two apart
"""

import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from fairlead.lab.addresses import INTERNET, INTERNET_IPV6, NAME_SERVERS, host_address

TTL = 60  # seconds


def zone(server: int, hosts: int) -> dict[tuple[str, str], str]:
    """What name server 1 or 2 knows: (name, type) to the answer's text."""
    records = {
        ("www.example.com.", "A"): INTERNET,
        ("www.example.com.", "AAAA"): INTERNET_IPV6,
        ("which.example.com.", "A"): f"203.0.113.{server}",
        ("alias.example.com.", "CNAME"): "www.example.com.",
        ("example.com.", "TXT"): f'"name server {server}"',
        ("10.113.0.203.in-addr.arpa.", "PTR"): "www.example.com.",
    }
    return records | {(f"host{number}.lan.", "A"): host_address(number) for number in range(1, hosts + 1)}


def answer(query: dns.message.Message, records: dict[tuple[str, str], str]) -> dns.message.Message:
    """The reply to a query: authoritative, NODATA for a known name, NXDOMAIN for an unknown one."""
    reply = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
    if (name, "CNAME") in records:
        target = records[name, "CNAME"]
        reply.answer.append(dns.rrset.from_text(question.name, TTL, "IN", "CNAME", target))
        name = target
    if (name, kind) in records:
        reply.answer.append(dns.rrset.from_text(name, TTL, "IN", kind, records[name, kind]))
    elif not any(known == name for known, _ in records):
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply


class _NameServer:
    records: dict[tuple[str, str], str]

    def reply(self, wire: bytes) -> bytes:
        try:
            return answer(dns.message.from_wire(wire), self.records).to_wire()
        except (dns.exception.DNSException, IndexError):
            return b""


class _UdpNameServer(_NameServer, socketserver.ThreadingUDPServer):
    pass


class _TcpNameServer(_NameServer, socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class _UdpQuestion(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _UdpNameServer)
        wire, channel = self.request
        channel.sendto(self.server.reply(wire), self.client_address)


class _TcpQuestion(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _TcpNameServer)
        while len(length := self.rfile.read(2)) == 2:
            reply = self.server.reply(self.rfile.read(int.from_bytes(length, "big")))
            self.wfile.write(len(reply).to_bytes(2, "big") + reply)


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request[1].sendto(f"outside saw {self.client_address[0]}\n".encode(), self.client_address)


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"outside saw {self.client_address[0].removeprefix('::ffff:')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class _WebServer(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def main(hosts: int) -> None:
    """Serve until killed."""
    servers: list[socketserver.BaseServer] = [
        _WebServer(("::", 80), _Page),
        socketserver.ThreadingUDPServer(("0.0.0.0", 7), _Echo),
    ]
    for number, address in enumerate(NAME_SERVERS, 1):
        for server in (
            _UdpNameServer((address, 53), _UdpQuestion),
            _TcpNameServer((address, 53), _TcpQuestion),
        ):
            server.records = zone(number, hosts)
            servers.append(server)
    for each in servers:
        threading.Thread(target=each.serve_forever).start()
    print("ready", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
