#!/bin/sh
# The first start on an empty volume makes the database; the classroom's user may come from any address.
set -e
data=/var/lib/mysql
if [ ! -d "$data/mysql" ]; then
    mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db >/dev/null
    cat >/tmp/first.sql <<'SQL'
CREATE DATABASE classroom;
CREATE USER 'student'@'%' IDENTIFIED BY 'classroom';
GRANT ALL ON classroom.* TO 'student'@'%';
SQL
    set -- --init-file=/tmp/first.sql
fi
exec mariadbd --datadir="$data" --bind-address=0.0.0.0 --skip-log-bin "$@"
