#!/bin/sh
# Makes every secret of compose.yaml as a file in the folder given (docker/secrets), once: what exists stays.
set -eu
umask 077
folder=${1:?usage: make.sh FOLDER}
mkdir -p "$folder"
cd "$folder"
put() { [ -e "$1" ] || printf '%s' "$2" >"$1"; }
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

for name in postgres airflow celery lake redis; do put "${name}_password" "$(random)"; done
put airflow_jwt "$(random)$(random)"
put airflow_api "$(random)"
put airflow_fernet "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')"
put airflow_db "postgresql+psycopg2://airflow:$(cat airflow_password)@postgres/airflow"
put airflow_results "db+postgresql+psycopg2://celery:$(cat celery_password)@postgres/celery"
put airflow_broker "redis://:$(cat redis_password)@redis:6379/0"
put barograph_store__warehouse "ducklake:postgres:postgresql://lake:$(cat lake_password)@postgres/lake?data_path=/data/lake"
put barograph_notify__link_key "$(random)"
put barograph_dashboard__session_key "$(random)"
# Who may log in to the pages, added by `barograph users add NAME --file …`: nobody, until then.
put dashboard_users ""
put redis.conf "requirepass $(cat redis_password)
maxmemory-policy noeviction
appendonly yes
dir /data"
# The containers run as users of their own, and compose hands files over as they are; the way to them is the engine's alone.
chmod 0444 ./*_* redis.conf
chmod 0700 .
