"""Containers as processes: OCI bundles, conmon, the OCI runtime."""
