"""Clients that bring a test of their own: testcontainers by pytest, Ansible's modules by a playbook."""

from pathlib import Path

from fairlead.lab import debian
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from tests.clients.conftest import PROGRAMS
from tests.engine.test_compose import Project, story
from tests.engine.test_flask_redis import on_one_host


def test_testcontainers(clients: Path, stocked: Host, clean: Host) -> None:
    result = clean.run(
        f"{clients}/testcontainers/bin/python {PROGRAMS}/with_testcontainers.py 2>&1",
        environment={"TESTCONTAINERS_RYUK_DISABLED": "true"},
        deadline=300,
    )
    assert result.ok, result.stdout
    assert clean.run("docker ps -aq; docker network ls -q | wc -l").stdout.strip() == "3"


def test_ansible(clients: Path, clean: Host, tmp_path: Path) -> None:
    result = clean.run(
        f"{clients}/ansible/bin/ansible-playbook {PROGRAMS}/playbook.yml"
        f" -e ansible_python_interpreter={clients}/ansible/bin/python -e scratch={tmp_path} 2>&1",
        environment={
            "ANSIBLE_COLLECTIONS_PATH": str(clients),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_HOME": str(tmp_path),
        },
        deadline=600,
    )
    assert result.ok, result.stdout
    assert clean.run("docker ps -aq; docker network ls -q | wc -l").stdout.strip() == "3"


def test_compose_of_today(clients: Path, clean: Host) -> None:
    # With the names of version 1, so that the same story can be told.
    project = Project(clean, f"COMPOSE_COMPATIBILITY=1 {clients}/bin/docker-compose")
    project.begin()
    try:
        story(project)
    finally:
        project.end()


def test_flask_and_redis_with_docker_compose(lab: Lab, stocked: Host, clean: Host) -> None:
    clean.run("docker load -q", input=debian.flask(), check=True)
    on_one_host(lab, clean, "With docker-compose", "flask-redis_redis_1", "flask-redis_web_1")
