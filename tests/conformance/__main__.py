"""Run docker-py's integration tests against an engine: `python -m tests.conformance [FILE or TEST...]`.

Fails when a test of passes.txt does not pass; says which others could be added to it.
"""

import argparse
import os
import sys

from tests.conformance import outcome, place, suite

VERSION = "1.41"  # of the API: what dockerd 20.10 speaks, and so what the lists are about


def run(engine: str, tests: list[str], version: str = "") -> dict[str, str]:
    """What each test gave on an engine in a host of its own; `tests` as pytest takes them."""
    with place.place(engine) as host:
        report = host.state / "report.xml"
        environment = {"DOCKER_TEST_API_VERSION": version} if version else {}
        command = suite.command(report, tests)
        host.start(command, output=1, errors=2, environment=environment).wait()
        return outcome.read(report)


def main() -> int:
    """Run, hold the result against the lists, say what differs."""
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--engine", choices=["fairlead", "dockerd"], default="fairlead")
    parser.add_argument("--api-version", default=VERSION, help='"" for the newest that the engine has')
    parser.add_argument("tests", nargs="*", help="what pytest takes; default: all in scope")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("conformance: cannot make a virtual host without being root", file=sys.stderr)
        return 1
    try:
        suite.prepare()
    except suite.Unreachable as error:
        print(f"conformance: cannot fetch {suite.RELEASE}: {error}", file=sys.stderr)
        return 1
    found = run(options.engine, options.tests or suite.files(), options.api_version)
    told = outcome.compare(found, whole=not options.tests)
    for line in told.lines(options.engine):
        print(line)
    return 0 if options.engine != "fairlead" or not told.lost else 1


if __name__ == "__main__":
    sys.exit(main())
