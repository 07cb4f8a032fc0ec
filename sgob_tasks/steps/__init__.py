"""One function per step of the night: what a DAG task and a command of `sgob` both call."""
