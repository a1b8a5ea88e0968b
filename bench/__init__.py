"""Side by side: fairlead, dockerd and podman do the same things in virtual hosts of one lab, in turn.

`python -m bench` measures the engines, `python -m bench names` their name servers; `--help` says
more; results lie in bench/results.
"""
