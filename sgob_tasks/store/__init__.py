"""PostgreSQL: tables, migrations and the queries of each step. The store is the truth."""
