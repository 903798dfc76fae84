#!/bin/sh
# PostgreSQL on the volume /data. The first start makes the cluster beside its place and renames it there, so that a start that was
# broken off is simply done again. The password comes from a file and is nowhere else in clear.
set -eu

password=/run/secrets/database_password
cluster=/data/cluster

if [ ! -d "$cluster" ]; then
    rm -rf "$cluster.new"
    initdb --pgdata="$cluster.new" --username=atelier --pwfile="$password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    echo 'host all all samenet scram-sha-256' >>"$cluster.new/pg_hba.conf"
    echo 'CREATE DATABASE atelier' | postgres --single -D "$cluster.new" postgres
    mv "$cluster.new" "$cluster"
fi
exec postgres -D "$cluster" -c listen_addresses='*' -c unix_socket_directories=/tmp
