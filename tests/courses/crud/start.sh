#!/bin/sh
# The database in the background, the web server as the container's program.
set -e
install -d -o mysql -g mysql /run/mysqld
mariadbd-safe --user=mysql --skip-networking &
until mariadb-admin ping >/dev/null 2>&1; do sleep .1; done
exec php -S 0.0.0.0:80 index.php
