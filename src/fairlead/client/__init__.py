"""One method per route of the API."""

from fairlead.client.address import Address
from fairlead.client.containers import Containers
from fairlead.client.execs import Execs
from fairlead.client.images import Images
from fairlead.client.networks import Networks
from fairlead.client.system import System
from fairlead.client.tls import TlsFiles
from fairlead.client.transport import Transport
from fairlead.client.volumes import Volumes


class Client:
    """A daemon, seen through its API: synchronous, one connection per request.

    `version` fixes the version of the API ("1.41"); without it the lower of the daemon's newest
    and ours is used.  Nothing is sent before the first call.
    """

    def __init__(self, address: Address, version: str = "", tls: TlsFiles | None = None):
        transport = Transport(address, version, tls)
        self.transport = transport
        self.address = address
        self.containers = Containers(transport)
        self.execs = Execs(transport)
        self.images = Images(transport)
        self.networks = Networks(transport)
        self.volumes = Volumes(transport)
        self.system = System(transport)
