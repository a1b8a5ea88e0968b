"""Builds over the API."""

import base64
import json

from fairlead.model.image import Credentials
from tests.unit.api.serving import Serving


def test_the_end_of_a_build_is_told_as_docker_does(api: Serving) -> None:
    header = base64.urlsafe_b64encode(json.dumps({"reg:5000": {"username": "me"}}).encode()).decode()
    reply = api.ask("POST", "/build", raw=b"context", headers={"X-Registry-Config": header}, t="made")
    identity = next(each.id for each in api.engine.images.images.values() if each.tags == ("made:latest",))
    assert reply.lines == [
        {"stream": "Step 1/1 : FROM busybox\n"},
        {"aux": {"ID": f"sha256:{identity}"}},
        {"stream": f"Successfully built {identity[:12]}\n"},
        {"stream": "Successfully tagged made:latest\n"},
    ]
    assert api.engine.builds.uploads == [b"context"]
    assert api.engine.builds.requests[0].credentials == {"reg:5000": Credentials(username="me")}


def test_a_quiet_build_tells_its_id_or_all_that_went_wrong(api: Serving) -> None:
    assert [list(line) for line in api.ask("POST", "/build", raw=b"", q="1").lines] == [["stream"]]
    failed = api.ask("POST", "/build", raw=b"", q="1", target="broken")
    words = "The command 'false' returned a non-zero code: 1"
    assert failed.status == 200
    assert failed.lines == [
        {"stream": "Step 1/1 : FROM busybox\n"},
        {"errorDetail": {"code": 1, "message": words}, "error": words},
    ]


def test_what_is_refused_has_a_status(api: Serving) -> None:
    assert api.ask("POST", "/build", raw=b"", squash="1").status == 400
    assert api.ask("POST", "/build?version=2", raw=b"").status == 501
    assert api.ask("POST", "/build/cancel", id="x").status == 404
