"""What the processes of the trials import, imported once."""

import airflow.providers.ssh.hooks.ssh  # noqa: F401
import airflow.sdk.exceptions  # noqa: F401
import asyncssh  # noqa: F401
import psycopg  # noqa: F401
import sgob_airflow.slurm_trigger  # noqa: F401

import sgob_tasks.cluster.connect  # noqa: F401
import sgob_tasks.store.jobs  # noqa: F401
import tests.integration.cluster.test_slurm_operator  # noqa: F401
