"""Which links of the host are this engine's, as far as they show it themselves."""

from fairlead.kernel.messages import FoundLink
from fairlead.kernel.observe import MISSING_PEER, Look
from fairlead.kernel.visit import Visit
from fairlead.model.host import HOST_END, Key, LinkKey, Value, mark_for

MARKED = ("bridge", "dummy", "ifb")  # kinds of links that are made for a network


def own_links(visit: Visit) -> dict[Key, Value]:
    """The host's links that are surely this engine's, whatever any record says of them.

    A bridge and a parent of macvlan links show it by their hardware address; a veth by its name, if its
    bridge does or its other end is in a namespace of ours.  Which end that is nobody asks here: it
    would be a conversation for each.
    """
    look = Look(visit, ())
    marked = [link for kind in MARKED for link in visit.links_of("", kind) if link.mac == mark_for(link.name)]
    bridges = {link.index for link in marked if link.kind == "bridge"}

    def is_ours(end: FoundLink) -> bool:
        if end.master in bridges:
            return True
        return end.peer_namespace is not None and bool(look.namespace_numbered("", end.peer_namespace))

    found: dict[Key, Value] = {}
    for link in marked:
        found[LinkKey("", link.name)] = look.link_value("", link) or MISSING_PEER
    for link in visit.links_of("", "veth"):
        if HOST_END.fullmatch(link.name) and is_ours(link):
            found[LinkKey("", link.name)] = MISSING_PEER
    return found
