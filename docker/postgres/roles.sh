#!/bin/sh
# Runs once, in an empty PostgreSQL: a role and a database each for Airflow, Celery's results and the lake's catalogue,
# none of which can read another's.
set -eu
secrets=${BAROGRAPH_FILES:-/run/secrets}
for name in airflow celery lake; do
    password=$(cat "$secrets/${name}_password")
    psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set=name="$name" --set=password="$password" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done
