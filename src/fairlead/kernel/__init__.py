"""The adapters that touch the kernel: links, addresses, routes, sysctls, rules."""
