"""Run a part of the benchmark: `python -m bench --help` says which there are."""

import argparse
import signal
import sys
from pathlib import Path

from bench import contenders
from bench.parts import PARTS

HERE = Path(__file__).parent


def main() -> int:
    """Parse the command line and run the part that it names; the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that the lab is taken down
    options = _parser().parse_args()
    return PARTS[options.part](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure, or look for what is wrong.")
    parser.add_argument("part", nargs="?", choices=PARTS, default="engines", help="what is measured")
    parser.add_argument("--quick", action="store_true", help="few rounds, small numbers")
    parser.add_argument(
        "--engines", default=",".join(contenders.installed()), help="which, separated by commas"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results", help="the directory to write to")
    parser.add_argument("--hosts", type=int, default=200, help="of the part scale")
    parser.add_argument("--endpoints", type=int, default=50, help="of each host in the part scale")
    parser.add_argument("--containers", type=int, help="of the parts rounds and upgrades")
    parser.add_argument("--rounds", type=int, help="of the parts crashes, rounds and upgrades")
    parser.add_argument("--points", type=int, help="of the part crashes: how many, 0 for all")
    parser.add_argument("--calls", type=int, help="of the part crashes: how many fail, by default as many")
    parser.add_argument("--operations", help="of the part crashes, separated by commas")
    parser.add_argument("--addresses", type=int, help="of each host in the part rounds")
    parser.add_argument("--ways", help="of the part upgrades: of kill, stop, upgrade, separated by commas")
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="of the parts crashes, injuries, upgrades, states and concurrency",
    )
    parser.add_argument("--clients", type=int, help="of the part concurrency")
    parser.add_argument("--seconds", type=int, help="of the part concurrency")
    parser.add_argument("--no-lock", action="store_true", help="nobody holds the lock of iptables")
    parser.add_argument(
        "--pause", type=float, default=0.0, help="seconds between two calls of a client, at most"
    )
    parser.add_argument("--examples", type=int, help="histories, of the part states")
    parser.add_argument("--steps", type=int, default=15, help="of each history in the part states")
    parser.add_argument("--injuries", type=int, help="how many, of the part injuries")
    parser.add_argument("--quiet", type=int, help="seconds in which nothing happens, of the part injuries")
    return parser


if __name__ == "__main__":
    sys.exit(main())
