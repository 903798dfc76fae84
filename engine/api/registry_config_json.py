"""The settings about registries as Docker's JSON shows them. Owns the shape only."""

from ipaddress import ip_network

from engine.core.registries import DOCKER_HUB, RegistrySettings

INDEX_SERVER = "https://index.docker.io/v1/"  # what the docker command signs in at where no registry is named
_LOOPBACK = ("127.0.0.0/8", "::1/128")


def registry_config_json(settings: RegistrySettings) -> dict[str, object]:
    """Docker shows mirrors of Docker Hub alone in a list of their own; a mirror of another registry stands with that registry."""
    hosts = [entry for entry in settings.insecure if not _is_range(entry)]
    domains = dict.fromkeys([DOCKER_HUB, *settings.mirrors, *hosts])
    return {
        "InsecureRegistryCIDRs": list(dict.fromkeys([*_LOOPBACK, *filter(_is_range, settings.insecure)])),
        "IndexConfigs": {
            domain: {
                "Name": domain,
                "Mirrors": list(settings.mirrors.get(domain, ())),
                "Secure": domain not in hosts,
                "Official": domain == DOCKER_HUB,
            }
            for domain in domains
        },
        "Mirrors": list(settings.mirrors.get(DOCKER_HUB, ())),
    }


def _is_range(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
