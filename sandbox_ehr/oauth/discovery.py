"""What the authorization server says of itself. Pure.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
"""

from sandbox_ehr.oauth.assertions import ALGORITHMS
from sandbox_ehr.settings import SandboxSettings

CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
SCOPES = (
    "launch",
    "launch/patient",
    "launch/encounter",
    "openid",
    "fhirUser",
    "online_access",
    "offline_access",
    "messaging/ui",
    "patient/*.cruds",
    "user/*.cruds",
    "system/*.cruds",
)

STYLE: dict[str, str] = {
    "color_background": "#f4f7f9",
    "color_error": "#a3201d",
    "color_highlight": "#0b6e77",
    "color_modal_backdrop": "#1b2a33",
    "color_success": "#24693b",
    "color_text": "#1b2a33",
    "dim_border_radius": "6px",
    "dim_font_size": "15px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, 'Segoe UI', 'Liberation Sans', sans-serif",
    "font_family_heading": "system-ui, 'Segoe UI', 'Liberation Sans', sans-serif",
}
"""The look of the chart, for apps that want to match it (smart_style_url)."""


def smart_configuration(settings: SandboxSettings) -> dict[str, object]:
    """Build `.well-known/smart-configuration`."""
    auth = f"{settings.base_url}/auth"
    traits = settings.behaviour.oauth
    grants = ("authorization_code", "refresh_token", "client_credentials", *traits.extra_grant_types)
    return {
        "issuer": settings.issuer,
        "jwks_uri": f"{auth}/jwks",
        "authorization_endpoint": f"{auth}/authorize",
        "token_endpoint": f"{auth}/token",
        "introspection_endpoint": f"{auth}/introspect",
        "revocation_endpoint": f"{auth}/revoke",
        "grant_types_supported": list(grants),
        "response_types_supported": list(traits.response_types),
        "scopes_supported": list(traits.scopes_supported or _declared_scopes(settings)),
        "code_challenge_methods_supported": ["S256"],
        traits.auth_methods_key: ["private_key_jwt", "client_secret_basic", "none"],
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "capabilities": list(CAPABILITIES),
    }


def _declared_scopes(settings: SandboxSettings) -> tuple[str, ...]:
    """List the scopes that can be granted: one a type where there are no wildcards."""
    personality = settings.behaviour
    if personality.oauth.wildcards:
        return tuple(personality.grant(" ".join(SCOPES)).split())
    context = [each for each in SCOPES if "/*" not in each]
    wanted = (
        f"{level}/{name}.cruds"
        for level in ("patient", "user", "system")
        for name in personality.interactions
    )
    return (*context, *personality.grant(" ".join(wanted)).split())


def openid_configuration(settings: SandboxSettings) -> dict[str, object]:
    """Build `.well-known/openid-configuration` of the issuer, which is the FHIR base."""
    smart = smart_configuration(settings)
    own = {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser"],
    }
    return {**{key: value for key, value in smart.items() if key != "capabilities"}, **own}
