"""Sign in: ask a registry whether it takes credentials. They are kept by the client, not here."""

from engine.core.registries import Credentials, domain_of_server
from engine.core.tenants import Tenant
from engine.service.engine import Engine
from engine.service.tenant_rules import check_sign_in


async def log_in(engine: Engine, tenant: Tenant, credentials: Credentials) -> str:
    """Return an identity token to be used in place of the password, empty where the registry gives none.

    Raises Forbidden, and what the registry's client raises for credentials that are refused and for a registry that does not
    answer.
    """
    check_sign_in(engine, tenant, domain_of_server(credentials.server_address))
    return await engine.registries.login(credentials, tenant=tenant)
