"""Vendor SDKs, files, processes, sockets and the clock, behind the ports of the core."""
