# The parts of the product that run by Compose: `sudo ./atelier compose` makes ready what is copied here (README.md tells).
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS base
# The ids of the host's user `atelier`, so that sockets and secrets that it may use are open to the parts, and to nobody else.
ARG UID=990
ARG GID=990
RUN groupadd --non-unique --gid "$GID" atelier \
 && useradd --non-unique --uid "$UID" --gid "$GID" --no-create-home --home-dir /tmp --shell /usr/sbin/nologin atelier
ENV LANG=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive

FROM base AS redis
RUN apt-get update \
 && apt-get install -y --no-install-recommends redis-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && install -d -o atelier -g atelier -m 0700 /data /run/atelier
USER atelier
VOLUME /data
CMD ["redis-server", "--port", "0", "--unixsocket", "/run/atelier/redis.sock", "--unixsocketperm", "700", "--dir", "/data", \
     "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]

FROM base AS database
# Without the package's own cluster: the volume gets one at the first start.
RUN mkdir -p /etc/postgresql-common \
 && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
 && apt-get update \
 && apt-get install -y --no-install-recommends postgresql-15 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && install -d -o atelier -g atelier -m 0700 /data
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --chown=root:root compose/database.sh /usr/local/bin/database
RUN chmod 0755 /usr/local/bin/database
USER atelier
VOLUME /data
# Fast shutdown: the other signal waits for clients that keep their connections.
STOPSIGNAL SIGINT
CMD ["database"]

FROM base AS packages
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv
# Wheels that the host collected, where it did: a build reaches no index that only the host knows.
COPY requirements.txt .wheels* /wheels/
RUN python3 -m venv /opt/atelier \
 && if ls /wheels/*.whl >/dev/null 2>&1; then offline="--no-index --find-links=/wheels"; fi \
 && /opt/atelier/bin/pip install --no-cache-dir --disable-pip-version-check --no-input $offline -r /wheels/requirements.txt \
 && /opt/atelier/bin/pip uninstall --yes --quiet pip setuptools

FROM base AS portal
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 tzdata \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=packages /opt/atelier /opt/atelier
ENV PATH=/opt/atelier/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ATELIER_DATA=/tmp
WORKDIR /srv/atelier
COPY manage.py ./
COPY compose/ready.py compose/
COPY templates templates
COPY static/dist static/dist
COPY portal portal
RUN python manage.py collectstatic --noinput \
 && rm -f /tmp/secret.key \
 && python -m compileall -q portal \
 && chmod -R a+rX .
USER atelier
EXPOSE 8000
CMD ["daphne", "-b", "0.0.0.0", "-p", "8000", "portal.config.asgi:application"]
