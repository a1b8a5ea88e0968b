"""Side by side: fairlead, dockerd and podman do the same things in virtual hosts of one lab, in turn.

`python -m bench --help` says how; results lie in bench/results.
"""
