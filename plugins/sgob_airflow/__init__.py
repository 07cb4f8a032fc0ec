"""All that imports airflow and is not a DAG: the Slurm operator, trigger and links; pages."""
