"""Saint George on a Bike: the domain, one package per step of the data's way. Never imports Airflow."""

__version__ = "0.1.0"
