#!/bin/sh
# Starts one component of Airflow with its addresses read from secret files, which no inspection of the container shows.
set -eu
secret() { # secret NAME: what the file holds, or a word on what is missing
    [ -r "/run/secrets/$1" ] || { echo "airflow-component: the secret $1 is not mounted" >&2; exit 78; }
    cat "/run/secrets/$1"
}
given() { [ -r "/run/secrets/$1" ]; }

mkdir -p "$AIRFLOW_HOME"
given airflow_db && { AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=$(secret airflow_db); export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN; }
given airflow_jwt && { AIRFLOW__API_AUTH__JWT_SECRET=$(secret airflow_jwt); export AIRFLOW__API_AUTH__JWT_SECRET; }
given airflow_broker && { AIRFLOW__CELERY__BROKER_URL=$(secret airflow_broker); export AIRFLOW__CELERY__BROKER_URL; }
given airflow_results && { AIRFLOW__CELERY__RESULT_BACKEND=$(secret airflow_results); export AIRFLOW__CELERY__RESULT_BACKEND; }
if [ "$1" = prepare ]; then
    secret airflow_db >/dev/null
    airflow db migrate
    exec airflow pools import /opt/pools.json
fi
exec airflow "$@"
