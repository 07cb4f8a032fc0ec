"""Documentation, and the script that writes the page of DAGs."""
