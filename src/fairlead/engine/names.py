"""Names for containers that were given none: an adjective and a harbour word."""

ADJECTIVES = (
    "able ample amber ardent azure balmy blithe bold brave breezy bright brisk calm candid cheery clear "
    "clever coral crisp daring deft eager early earnest fair famous fond free fresh gallant gentle glad "
    "golden good grand happy hardy hearty hopeful humble ivory jolly jovial keen kind lively loyal lucid "
    "lucky mellow merry mild modest neat nimble noble patient plain placid proud quick quiet ready robust "
    "sandy serene sharp silver sincere smooth snug sober steady stout sunny swift tidal tidy tranquil true "
    "trusty upbeat vivid warm wise witty zesty"
).split()
NOUNS = (
    "anchor bay beacon berth boat bollard bosun bow breaker breeze buoy cable canal capstan cargo channel "
    "chart cleat coast compass cove crane crest crew current davit deck delta dinghy dock drifter ebb eddy "
    "estuary ferry fender fjord flag fleet flood foghorn galley gangway gull halyard harbour hatch haven "
    "hawser helm hull inlet island jetty kedge keel knot lagoon lantern ledge lighthouse line lock log "
    "mainsail mariner marina mast mooring mole navigator oar paddle pier pilot pontoon port prow quay reef "
    "ridge rigging rope rudder sail schooner sextant shore skiff slipway sound spar stern strait swell "
    "tackle tender tide tiller towline trawler tug vessel voyage wake wave wharf winch windlass yawl"
).split()


def random_name(chance: bytes, attempt: int = 0) -> str:
    """A name from two bytes of chance; later attempts carry a number so that one is free soon."""
    name = f"{ADJECTIVES[chance[0] % len(ADJECTIVES)]}_{NOUNS[chance[1] % len(NOUNS)]}"
    return name if attempt == 0 else f"{name}{attempt}"
