"""The versions of TLS that are spoken: 1.2 and newer, as client and as server.

A distribution's Python leaves the oldest one to the machine's own configuration of OpenSSL, which may allow any.
"""

import ssl

import httpx

OLDEST = ssl.TLSVersion.TLSv1_2


def make_context() -> ssl.SSLContext:
    """Make what connections to other servers are opened with. It reads every certificate that is trusted: once a client."""
    context = httpx.create_ssl_context()
    context.minimum_version = OLDEST
    return context
