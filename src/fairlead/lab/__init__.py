"""Virtual hosts on one machine, joined by a LAN: what runs in them touches nothing outside.

A virtual host is a tree of processes with namespaces and control groups of its own; when its
first process ends, everything in it has ended.
"""
