"""SMART App Launch 2.2: who asks, for whom, on which server.

site = sites.find(iss)
configuration = await directory.discover(site, http)
authorization = begin(site, configuration, launch=launch, now=now)     # redirect to authorization.url
context = await finish(site, configuration, pending, code=..., state=..., http=http, now=now)
"""

from smart_launch.authorization import PENDING_LIFE, Authorization, PendingLaunch, begin
from smart_launch.claims import is_text
from smart_launch.context import USER_UNREAD, ContextIdentifier, ContextItem, LaunchContext, Messaging
from smart_launch.discovery import SmartConfiguration, SmartDirectory, discover
from smart_launch.errors import (
    AddressRefused,
    AnswerUnusable,
    DiscoveryFailed,
    IdTokenInvalid,
    LaunchExpired,
    LaunchRefused,
    NotOffered,
    ServerUnavailable,
    SmartError,
    StateMismatch,
    TokenExpired,
    TokenRefused,
    UnknownIssuer,
)
from smart_launch.identity import FhirUser
from smart_launch.introspection import Introspection, introspect
from smart_launch.issuer_keys import IssuerKeys
from smart_launch.keys import SigningKey, generate_key, public_jwks
from smart_launch.launch import finish
from smart_launch.revocation import revoke
from smart_launch.scopes import Level, ResourceScope, Scopes
from smart_launch.site import ClientSecret, PrivateKeyJwt, PublicClient, Site, Sites
from smart_launch.style import Style, Styles
from smart_launch.tokens import TokenSet, refresh, system_token

__all__ = [
    "PENDING_LIFE",
    "USER_UNREAD",
    "AddressRefused",
    "AnswerUnusable",
    "Authorization",
    "ClientSecret",
    "ContextIdentifier",
    "ContextItem",
    "DiscoveryFailed",
    "FhirUser",
    "IdTokenInvalid",
    "Introspection",
    "IssuerKeys",
    "LaunchContext",
    "LaunchExpired",
    "LaunchRefused",
    "Level",
    "Messaging",
    "NotOffered",
    "PendingLaunch",
    "PrivateKeyJwt",
    "PublicClient",
    "ResourceScope",
    "Scopes",
    "ServerUnavailable",
    "SigningKey",
    "Site",
    "Sites",
    "SmartConfiguration",
    "SmartDirectory",
    "SmartError",
    "StateMismatch",
    "Style",
    "Styles",
    "TokenExpired",
    "TokenRefused",
    "TokenSet",
    "UnknownIssuer",
    "begin",
    "discover",
    "finish",
    "generate_key",
    "introspect",
    "is_text",
    "public_jwks",
    "refresh",
    "revoke",
    "system_token",
]
