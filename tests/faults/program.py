"""What the jobs of the trials run in place of the detector: it leaves one line for each piece of work that it ends.

The lines are the only thing by which work is counted: neither our ledger nor Slurm has a say in it.
"""

import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import time


def work(path: str, line: str) -> None:
    """Add one line to the list of work done, which all jobs share."""
    with pathlib.Path(path).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(line + "\n")


def main() -> None:
    folder, index = pathlib.Path(sys.argv[1]), int(sys.argv[3]) if len(sys.argv) > 3 else 0
    parameters = json.loads((folder / "job.json").read_text())["parameters"]
    generation = int(os.environ["SLURM_JOB_NAME"].rpartition(".")[2])
    line = f"{folder.name} {index} {generation} {os.environ['SLURM_JOB_ID']}"

    def suffers(what: str) -> bool:
        return generation == 1 and index in parameters.get(what, [])

    print("index", index, "of generation", generation, flush=True)
    if parameters.get("inputs") is not None:
        found = sorted(path.name for path in (folder / "input").iterdir())
        if found != parameters["inputs"]:
            sys.exit(f"the input is {found}")
    time.sleep(parameters.get("seconds", 0))
    if suffers("checkpoint"):
        (folder / "checkpoints" / "step-1").write_text("state")
    if suffers("hang"):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        time.sleep(300)
    if suffers("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if suffers("fail"):
        sys.exit(3)
    result = folder / "results" / f"{index:04d}.jsonl"
    if suffers("hungry"):
        # The step does the work, and is killed for its memory; a careless script goes on.
        eat = (
            "import os, pathlib, time\n"
            f"folder = pathlib.Path({str(folder / 'checkpoints')!r})\n"
            "(folder / '.pid.new').write_text(str(os.getpid()))\n"
            "(folder / '.pid.new').rename(folder / '.pid')\n"
            "while not (folder / '.go').exists():\n"
            "    time.sleep(0.05)\n"
            "data = b'x' * (200 << 20)\n"
        )
        code = subprocess.run(["srun", "--ntasks=1", sys.executable, "-c", eat], check=False).returncode
        print("the step ended with", code, flush=True)
        result.write_text("{}\n")
        return
    # First what can fail, then the line: a piece of work counts as done when its result is there.
    part = result.with_suffix(".new")
    part.write_bytes(b"{}\n" + os.urandom(parameters.get("bytes", 0)))
    part.replace(result)
    work(parameters["work"], line)


if __name__ == "__main__":
    main()
