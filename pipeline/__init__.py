"""The stages, in order, and what they share. Knows nothing of Airflow, Dash or the command line."""
