#!/bin/sh
# Starts one component of Airflow with its addresses read from secret files, which no inspection of the container shows.
set -eu
secrets=${BAROGRAPH_FILES:-/run/secrets}
set_from() { # set_from VARIABLE SECRET: where the service was given that secret
    [ -e "$secrets/$2" ] || return 0
    value=$(cat "$secrets/$2")
    export "$1=$value"
}

mkdir -p "$AIRFLOW_HOME"
set_from AIRFLOW__DATABASE__SQL_ALCHEMY_CONN airflow_db
set_from AIRFLOW__CORE__FERNET_KEY airflow_fernet
set_from AIRFLOW__API__SECRET_KEY airflow_api
set_from AIRFLOW__API_AUTH__JWT_SECRET airflow_jwt
set_from AIRFLOW__CELERY__BROKER_URL airflow_broker
set_from AIRFLOW__CELERY__RESULT_BACKEND airflow_results
if [ "$1" = prepare ]; then
    # Without it Airflow would make itself a database that ends with this container.
    [ -r "$secrets/airflow_db" ] || { echo "airflow-component: the secret airflow_db is not mounted" >&2; exit 78; }
    airflow db migrate
    exec airflow pools import "$(dirname "$0")/../pools.json"
fi
exec airflow "$@"
