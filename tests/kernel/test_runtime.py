"""Containers on the real kernel: what they may do and see, and what remains when somebody is killed."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead.boundary import ExecRequest, LogQuery
from fairlead.model.container import (
    Device,
    HostConfig,
    LogConfig,
    MountPoint,
    Ulimit,
)
from fairlead.model.errors import NotFound, StartFailed
from fairlead.runtime import processes
from fairlead.runtime.traits import observe
from tests.kernel.container_host import (
    PATIENCE,
    ContainerHost,
    container_host,
    everything,
    needed_programs,
    play,
    until,
)

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(not needed_programs(), reason="needs conmon and busybox"),
]
TRAITS = observe()
only_v1 = pytest.mark.skipif(TRAITS.unified, reason="reads files of control groups version 1")


async def show(host: ContainerHost, script: str, **settings: Any) -> list[str]:
    """The lines that a shell script prints in a container."""
    return (await host.output("sh", "-c", script, **settings)).splitlines()


# -- what a container is -------------------------------------------------------------------------


def test_defaults_are_dockers(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            lines = await show(
                host, "grep -E '^(Cap(Prm|Bnd|Inh)|Seccomp:|Groups|NoNewPrivs)' /proc/self/status; env; pwd"
            )
            assert "CapPrm:\t00000000a80425fb" in lines and "CapBnd:\t00000000a80425fb" in lines
            assert "CapInh:\t0000000000000000" in lines
            assert "Seccomp:\t2" in lines and "NoNewPrivs:\t0" in lines and "Groups:\t0 " in lines
            assert "HOME=/root" in lines and lines[-1] == "/"
            assert "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in lines
            assert not [line for line in lines if line.startswith("TERM=")]
            mounts = await show(host, "cat /proc/mounts; ls /dev; ls /sys/firmware /proc/acpi")
            assert any(
                re.match(r"shm /dev/shm tmpfs rw,nosuid,nodev,noexec\S*size=65536k", x) for x in mounts
            )
            assert any(line.startswith("sysfs /sys sysfs ro,") for line in mounts)
            assert any(line.startswith("proc /proc/sys proc ro,") for line in mounts)
            assert {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "fd", "stdin"} <= set(mounts)

    play(story())


def test_the_filter_is_enforced_compiled_or_not_and_in_execs(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            kept = tmp_path / "data/seccomp"
            # unshare asks for a new namespace, which the default profile refuses.
            shutil.copy("/usr/bin/unshare", host.root / "bin/unshare")
            script = "grep Seccomp: /proc/self/status; mount -t tmpfs none /tmp 2>&1; echo $?"
            outputs = [await show(host, script) for _ in range(2)]
            assert outputs[0] == outputs[1]
            assert outputs[0][0] == "Seccomp:\t2" and outputs[0][-1] != "0"
            if host.runtime.name == "crun":
                assert len(list(kept.iterdir())) == 1, "compiled once, kept for the next"
            container = await host.run("sleep", "1000")
            process = await host.runtime.exec(
                container, "e", ExecRequest(("grep", "Seccomp:", "/proc/self/status"), attach_stdout=True)
            )
            assert process.stream and (await everything(process.stream))[1] == b"Seccomp:\t2\n"
            open_one = HostConfig(security_opt=("seccomp=unconfined",))
            assert (await show(host, script, host_config=open_one))[0] == "Seccomp:\t0"
            profile = {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["getcwd"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}],
            }
            own = HostConfig(security_opt=(f"seccomp={json.dumps(profile)}",))
            for _ in range(2):
                refused = await show(host, "cd /tmp; busybox pwd; echo $?", host_config=own)
                assert refused[-1] != "0", refused

    play(story())


@pytest.mark.parametrize("candidate", [name for name in ("crun", "runc") if shutil.which(name)])
def test_without_the_distributions_profile_there_is_a_filter_too(tmp_path: Path, candidate: str) -> None:
    settings = {"candidates": (candidate,), "seccomp_profile": str(tmp_path / "none")}

    async def story() -> None:
        async with container_host(tmp_path, **settings) as host:
            shutil.copy("/bin/busybox", host.root / "bin/unshare")
            capable = HostConfig(cap_add=("SYS_ADMIN",))
            for _ in range(2):
                lines = await show(
                    host,
                    "grep Seccomp: /proc/self/status; unshare -U true 2>/dev/null; echo $?; ls / | head -1",
                )
                assert lines[0] == "Seccomp:\t2" and lines[-2:] == ["1", "bin"]
                lines = await show(host, "unshare -m true; echo $?", host_config=capable)
                assert lines[-1] == "0"

    play(story())


def test_who_it_runs_as(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            script = "id -u; id -g; grep Groups /proc/self/status; echo $HOME; grep CapEff /proc/self/status"
            anna = await show(host, script, user="anna")
            assert anna == ["1000", "100", "Groups:\t10 100 ", "/home/anna", "CapEff:\t0000000000000000"]
            number = await show(host, script, user="12345:54321")
            assert number[:4] == ["12345", "54321", "Groups:\t54321 ", "/"]
            added = await show(host, script, host_config=HostConfig(group_add=("users", "77")))
            assert added[2] == "Groups:\t0 77 100 "
            container = await host.run("sleep", "1000")
            process = await host.runtime.exec(
                container, "e", ExecRequest(("sh", "-c", script), user="anna", attach_stdout=True)
            )
            assert process.stream
            assert (await everything(process.stream))[1].decode().splitlines() == anna
            with pytest.raises(StartFailed, match="unable to find user nobody: no matching entries"):
                await host.run("true", user="nobody")

    play(story())


def test_links_in_an_image_do_not_lead_out(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            (tmp_path / "passwd").write_text("spy:x:4711:4711::/:/bin/sh\n")
            (host.root / "etc/passwd").unlink()
            (host.root / "etc/passwd").symlink_to(tmp_path / "passwd")
            (host.root / "away").symlink_to(tmp_path)
            with pytest.raises(StartFailed, match="unable to find user spy"):
                await host.run("true", user="spy")
            with pytest.raises(StartFailed):
                await host.run("true", working_dir="/away/made")
            assert not (tmp_path / "made").exists()
            assert await show(host, "pwd", working_dir="/new/directory") == ["/new/directory"]
            with pytest.raises(StartFailed, match="Cannot mkdir: /etc/group is not a directory"):
                await host.run("true", working_dir="/etc/group")

    play(story())


def test_mounts(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            (tmp_path / "shared").mkdir()
            (tmp_path / "shared/file").write_text("from the host\n")
            points = (
                MountPoint("bind", str(tmp_path / "shared"), "/data", writable=False),
                MountPoint("volume", str(tmp_path / "shared"), "/data2/deep", name="v"),
                MountPoint("tmpfs", "", "/scratch", tmpfs_options="size=1048576,mode=1770"),
            )
            host_config = HostConfig(tmpfs={"/run": "exec,size=2m"}, readonly_rootfs=True, shm_size=1 << 20)
            lines = await show(
                host,
                "cat /data/file; touch /data/x 2>/dev/null && echo wrote; touch /data2/deep/y; "
                "touch /etc/z 2>/dev/null && echo wrote; cat /proc/mounts",
                mounts=points,
                host_config=host_config,
            )
            assert lines[0] == "from the host" and "wrote" not in lines
            assert (tmp_path / "shared/y").exists()
            by_place = {line.split()[1]: line.split()[3] for line in lines if line.count(" ") == 5}
            assert {"nosuid", "nodev", "noexec", "size=1024k", "mode=1770"} <= set(
                by_place["/scratch"].split(",")
            )
            assert "noexec" not in by_place["/run"] and "size=2048k" in by_place["/run"]
            assert "size=1024k" in by_place["/dev/shm"]
            assert by_place["/"].startswith("ro")

    play(story())


def test_files_from_the_engine_are_mounted(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            (tmp_path / "hosts").write_text("10.0.0.9 neighbour\n")
            container = host.container("sh", "-c", "cat /etc/hosts; echo $LINKED", env=("A=1",))
            launch = host.launch(container, bind_files={"/etc/hosts": "hosts"}, environment=("LINKED=yes",))
            await host.runtime.create(launch)
            console = await host.runtime.attach(container.id)
            await host.runtime.start(container.id)
            assert (await everything(console))[1] == b"10.0.0.9 neighbour\nyes\n"

    play(story())


@only_v1
def test_limits(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            limits = HostConfig(
                memory=20 << 20,
                memory_swap=40 << 20,
                nano_cpus=500_000_000,
                pids_limit=20,
                oom_score_adj=100,
                ulimits=(Ulimit("nofile", 512, 1024), Ulimit("core", 0, 0)),
                cpuset_cpus="0",
            )
            script = (
                "cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max cpuset/cpuset.cpus; "
                "cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn; ulimit -c"
            )
            lines = await show(host, f"cd /sys/fs/cgroup; {script}", host_config=limits)
            assert lines == [str(20 << 20), "50000", "20", "0", "100", "512", "1024", "0"]
            container = await host.run("sleep", "1000", host_config=limits)
            usage = await host.runtime.usage(container.id)
            assert (usage.memory_limit, usage.pids_limit, usage.pids) == (20 << 20, 20, 1)
            assert usage.cpu_total > 0 and usage.system_cpu > usage.cpu_total
            wider = HostConfig(memory=64 << 20, memory_swap=128 << 20, pids_limit=-1, cpu_shares=512)
            await host.runtime.update(replace(container, host_config=wider))
            usage = await host.runtime.usage(container.id)
            assert (usage.memory_limit, usage.pids_limit) == (64 << 20, 0)

    play(story())


def test_a_limit_above_the_daemons_own_is_cut_off(tmp_path: Path) -> None:
    if TRAITS.raises_limits or TRAITS.hard_limits["nofile"] == -1:
        pytest.skip("this daemon may raise limits")

    async def story() -> None:
        async with container_host(tmp_path) as host:
            own = TRAITS.hard_limits["nofile"]
            limits = HostConfig(ulimits=(Ulimit("nofile", 1 << 30, 1 << 30),))
            assert await show(host, "ulimit -n; ulimit -Hn", host_config=limits) == [str(own)] * 2

    play(story())


def test_privileged_and_chosen_capabilities(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            everything_we_have = sum(1 << bit for bit in range(41) if (1 << bit) & int(_own("CapBnd"), 16))
            script = (
                "grep -E 'CapEff|Seccomp:' /proc/self/status; mount -t tmpfs n /tmp && echo mounted; ls /dev"
            )
            lines = await show(host, script, host_config=HostConfig(privileged=True))
            assert f"CapEff:\t{everything_we_have:016x}" in lines and "Seccomp:\t0" in lines
            assert "mounted" in lines and "kmsg" in lines
            script = "grep CapEff /proc/self/status"
            none = HostConfig(cap_drop=("ALL",), cap_add=("NET_ADMIN", "cap_sys_time"))
            assert await show(host, script, host_config=none) == [f"CapEff:\t{1 << 12 | 1 << 25:016x}"]
            no_new = HostConfig(security_opt=("no-new-privileges",))
            assert await show(host, "grep NoNew /proc/self/status", host_config=no_new) == ["NoNewPrivs:\t1"]

    play(story())


def _own(field: str) -> str:
    text = Path("/proc/self/status").read_text()
    return re.findall(rf"^{field}:\s+(\S+)", text, re.MULTILINE)[0]


def test_devices(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            granted = HostConfig(devices=(Device("/dev/net/tun", "/dev/given", "r"),))
            lines = await show(
                host,
                "stat -c %t:%T /dev/given; : 3</dev/given && echo opened; : 3>/dev/given && echo wrote",
                host_config=granted,
            )
            assert lines[:2] == ["a:c8", "opened"] and "wrote" not in lines
            with pytest.raises(StartFailed, match='custom device "/dev/nosuch": no such file or directory'):
                await host.run(
                    "true", host_config=HostConfig(devices=(Device("/dev/nosuch", "/dev/nosuch"),))
                )

    play(story())


def test_namespaces_can_be_shared(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            first = await host.run("sleep", "1000", host_config=HostConfig(ipc_mode="shareable"))
            pid = (await host.runtime.alive())[first.id]
            joining = HostConfig(pid_mode=f"container:{first.id}", ipc_mode=f"container:{first.id}")
            container = host.container("sh", "-c", "echo shared > /dev/shm/note; ps", host_config=joining)
            joined = {kind: f"/proc/{pid}/ns/{kind}" for kind in ("pid", "ipc")}
            await host.runtime.create(host.launch(container, joined=joined))
            await host.runtime.start(container.id)
            assert (await host.end_of(container)).code == 0
            lines = [line.content async for line in host.runtime.logs(container, LogQuery())]
            assert any(b"sleep 1000" in line for line in lines)
            process = await host.runtime.exec(
                first, "e", ExecRequest(("cat", "/dev/shm/note"), attach_stdout=True)
            )
            assert process.stream and (await everything(process.stream))[1] == b"shared\n"
            private = await host.run("sleep", "1000", host_config=HostConfig(ipc_mode="private"))
            other = (await host.runtime.alive())[private.id]
            asks = host.container("true", host_config=HostConfig(ipc_mode=f"container:{private.id}"))
            with pytest.raises(StartFailed, match="non-shareable IPC"):
                await host.runtime.create(host.launch(asks, joined={"ipc": f"/proc/{other}/ns/ipc"}))
            modes = HostConfig(pid_mode="host", uts_mode="host", ipc_mode="none", cgroupns_mode="private")
            lines = await show(
                host,
                "readlink /proc/self/ns/uts 2>/dev/null || busybox readlink /proc/self/ns/uts; "
                "busybox readlink /proc/self/ns/pid; ls /dev/shm 2>&1; busybox readlink /proc/self/ns/cgroup",
                host_config=modes,
            )
            assert os.readlink("/proc/self/ns/uts") in lines and os.readlink("/proc/self/ns/pid") in lines
            assert os.readlink("/proc/self/ns/cgroup") not in lines

    play(story())


def test_hostname_domainname_and_sysctls(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            own = HostConfig(sysctls={"net.ipv4.ip_forward": "1"})
            script = (
                "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward "
                "/proc/sys/net/ipv4/ip_unprivileged_port_start"
            )
            lines = await show(host, script, host_config=own, hostname="web", domainname="example.org")
            assert lines == ["web", "example.org", "1", "0"]

    play(story())


def test_an_init_process_is_put_in_front(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            if not any(shutil.which(name) for name in ("docker-init", "tini", "catatonit")):
                with pytest.raises(StartFailed, match="cannot start an init process"):
                    await host.run("true", host_config=HostConfig(init=True))
                return
            lines = await show(host, "cat /proc/1/cmdline", host_config=HostConfig(init=True))
            assert lines[0].startswith("/sbin/docker-init\0--\0sh\0-c")

    play(story())


@pytest.mark.parametrize("candidate", [name for name in ("crun", "runc") if shutil.which(name)])
def test_failures_are_told_in_dockers_words(tmp_path: Path, candidate: str) -> None:
    start = (
        "failed to create shim task: OCI runtime create failed: runc create failed: "
        "unable to start container process: "
    )

    async def story() -> None:
        async with container_host(tmp_path, candidates=(candidate,)) as host:
            cases = {
                "/nosuch": ('exec: "/nosuch": stat /nosuch: no such file or directory: unknown', 127),
                "/tmp": ('exec: "/tmp": permission denied: unknown', 126),
                "/etc/passwd": ('exec: "/etc/passwd": permission denied: unknown', 126),
            }
            for command, (message, code) in cases.items():
                with pytest.raises(StartFailed) as caught:
                    await host.run(command)
                assert (caught.value.message, caught.value.exit_code) == (start + message, code)
            with pytest.raises(StartFailed) as caught:
                await host.run("true", host_config=HostConfig(sysctls={"net.foo.bar": "1"}))
            assert caught.value.message == (
                f"{start}error during container init: open /proc/sys/net/foo/bar: "
                "no such file or directory: unknown"
            )
            container = await host.run("sleep", "1000")
            with pytest.raises(StartFailed) as caught:
                await host.runtime.exec(container, "e", ExecRequest(("pwd",), working_dir="/nosuch"))
            assert caught.value.message == (
                "OCI runtime exec failed: exec failed: unable to start container process: "
                'chdir to cwd ("/nosuch") set in config.json failed: no such file or directory: unknown'
            )
            with pytest.raises(StartFailed) as caught:
                await host.runtime.exec(container, "f", ExecRequest(("true",), user="nobody"))
            assert caught.value.message == "unable to find user nobody: no matching entries in passwd file"

    play(story())


def test_a_file_that_is_no_program_is_named_on_stderr(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            (host.root / "bin/text").write_text("not a program\n")
            (host.root / "bin/text").chmod(0o755)
            container = await host.run("text")
            assert (await host.end_of(container)).code == 1
            lines = [line async for line in host.runtime.logs(container, LogQuery(stdout=False))]
            assert len(lines) == 1 and re.match(
                rb"exec .*/bin/text.*: [Ee]xec format error\n", lines[0].content
            )

    play(story())


# -- consoles ------------------------------------------------------------------------------------


def test_terminals_and_their_sizes(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            container = host.container(
                "sh",
                tty=True,
                open_stdin=True,
                stdin_once=True,
                host_config=HostConfig(console_size=(20, 70)),
            )
            await host.runtime.create(host.launch(container))
            console = await host.runtime.attach(container.id)
            await host.runtime.start(container.id)
            await console.write(b"stty size; echo $TERM\n")
            await until(console, b"20 70\r\nxterm\r\n")
            await host.runtime.resize(container.id, 33, 111)
            await console.write(b"stty size\n")
            await until(console, b"33 111\r\n")
            await console.close()
            again = await host.runtime.attach(container.id)
            await again.write(b"echo back again; exit 4\n")
            await until(again, b"\nback again\r\n")
            assert (await host.end_of(container)).code == 4

    play(story())


def test_a_terminal_for_an_exec(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            container = await host.run("sleep", "1000")
            request = ExecRequest(
                ("sh",), tty=True, attach_stdin=True, attach_stdout=True, console_size=(40, 100)
            )
            process = await host.runtime.exec(container, "e", request)
            assert process.stream
            await process.stream.write(b"stty size\n")
            await until(process.stream, b"40 100\r\n")
            await process.resize(50, 120)
            await process.stream.write(b"stty size; exit 5\n")
            await until(process.stream, b"50 120\r\n")
            assert await process.wait() == 5

    play(story())


def test_input_stays_open_unless_it_is_for_one_client(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            container = await host.run("cat", open_stdin=True)
            for word in (b"one\n", b"two\n"):
                console = await host.runtime.attach(container.id)
                await console.write(word)
                await until(console, word)
                await console.close_input()
                await console.close()
            assert container.id in await host.runtime.alive()

    play(story())


def test_much_input_and_output_arrive_whole(tmp_path: Path) -> None:
    content = b"".join(b"%07d\n" % number for number in range(300_000))

    async def story() -> None:
        async with container_host(tmp_path) as host:
            container = await host.run("sleep", "1000")
            request = ExecRequest(("cat",), attach_stdin=True, attach_stdout=True)
            process = await host.runtime.exec(container, "e", request)
            assert process.stream

            async def send() -> None:
                assert process.stream
                await process.stream.write(content)
                await process.stream.close_input()

            sending = asyncio.create_task(send())
            gathered = await everything(process.stream)
            await sending
            assert gathered[1] == content and await process.wait() == 0

    play(story())


def test_an_exec_ends_though_its_children_go_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            container = await host.run("sleep", "1000")
            request = ExecRequest(("sh", "-c", "sleep 1000 & echo done"), attach_stdout=True)
            process = await host.runtime.exec(container, "e", request)
            async with asyncio.timeout(PATIENCE):
                assert await process.wait() == 0
            assert len((await host.runtime.top(container.id, "-ef"))[1]) == 2

    play(story())


# -- logs ----------------------------------------------------------------------------------------


def test_logs_are_rotated_and_followed_across(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            kept = LogConfig("json-file", {"max-size": "20k", "max-file": "3"})
            script = "i=0; while read x; do for j in $(seq 100); do i=$((i+1)); echo line $i; done; done"
            own = HostConfig(log_config=kept)
            container = await host.run("sh", "-c", script, host_config=own, open_stdin=True, stdin_once=True)
            console = await host.runtime.attach(container.id)
            followed: list[bytes] = []

            async def follow() -> None:
                async for line in host.runtime.logs(container, LogQuery(follow=True)):
                    followed.append(line.content)

            following = asyncio.create_task(follow())
            path = Path(host.runtime.log_path(container.id))
            for burst in range(1, 21):
                await console.write(b"go\n")
                await until(console, b"line %d\n" % (burst * 100))
                before = path.stat().st_ino
                async with asyncio.timeout(PATIENCE):
                    while path.exists() and path.stat().st_size >= 20_000 and path.stat().st_ino == before:
                        await asyncio.sleep(0.01)
            await console.close_input()
            await host.end_of(container)
            async with asyncio.timeout(PATIENCE):
                await following
            assert followed == [b"line %d\n" % number for number in range(1, 2001)]
            files = sorted(each.name for each in path.parent.iterdir())
            assert files == [path.name, f"{path.name}.1", f"{path.name}.2"]
            remaining = [line.content async for line in host.runtime.logs(container, LogQuery())]
            assert remaining == followed[-len(remaining) :] and 700 < len(remaining) < 2000
            tail = [
                line.content async for line in host.runtime.logs(container, LogQuery(tail=len(remaining) - 3))
            ]
            assert tail == remaining[3:]
            await host.runtime.remove_logs(container.id)
            assert not list(path.parent.iterdir())

    play(story())


def test_one_log_file_is_kept_within_its_size(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            kept = HostConfig(log_config=LogConfig("json-file", {"max-size": "10k"}))
            container = await host.run("seq", "2000", host_config=kept)
            await host.end_of(container)
            assert Path(host.runtime.log_path(container.id)).stat().st_size <= 10_000
            lines = [line.content async for line in host.runtime.logs(container, LogQuery())]
            assert lines[-1] == b"2000\n" and lines[0] != b"1\n"

    play(story())


# -- ends ----------------------------------------------------------------------------------------


@only_v1
def test_a_want_of_memory_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            tight = HostConfig(memory=8 << 20, memory_swap=8 << 20)
            container = await host.run("sh", "-c", "head -c 100000000 /dev/zero | tail", host_config=tight)
            assert (await host.end_of(container)).oom_killed

    play(story())


def test_paused_processes_stand_still(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            container = await host.run("cat", open_stdin=True)
            console = await host.runtime.attach(container.id)
            await host.runtime.pause(container.id)
            await console.write(b"word\n")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(console.read()), 0.2)
            await host.runtime.unpause(container.id)
            lines = LogQuery(follow=True)
            async with asyncio.timeout(PATIENCE):
                async for line in host.runtime.logs(container, lines):
                    assert line.content == b"word\n"
                    break
            with pytest.raises(NotFound):
                await host.runtime.pause("f" * 64)

    play(story())


def test_everything_in_a_container_goes_with_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            shared_pids = HostConfig(pid_mode="host")
            container = await host.run(
                "sh", "-c", "sleep 1000 & sleep 1000 & exit 0", host_config=shared_pids
            )
            await host.end_of(container)
            await host.runtime.delete(container.id)
            other = await host.run("sleep", "1000")
            process = await host.runtime.exec(other, "e", ExecRequest(("sleep", "1000")))
            await host.runtime.delete(other.id)
            async with asyncio.timeout(PATIENCE):
                assert await process.wait() in (137, 255)

    play(story())


def test_a_container_whose_conmon_is_killed_is_still_watched(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            container = await host.run("sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.01; done")
            pid = (await host.runtime.alive())[container.id]
            monitor = processes.read_number(f"{tmp_path}/exec/containers/{container.id}/conmon.pid")
            await asyncio.sleep(0.1)
            os.kill(monitor, signal.SIGKILL)
            assert processes.wait_for_end(monitor, PATIENCE)
            await asyncio.sleep(0.05)
            assert (await host.runtime.alive())[container.id] == pid
            await host.runtime.kill(container.id, signal.SIGTERM)
            # It is our own child now, so that its exit code is not lost.
            assert (await host.end_of(container)).code == 9

    play(story())


_DAEMON = """
import asyncio, json, sys
from pathlib import Path
from tests.kernel.container_host import ContainerHost

async def story():
    settings = json.loads(sys.argv[1])
    host = ContainerHost(Path(settings["directory"]), root=Path(settings["root"]))
    await host.__aenter__()
    for command in settings["commands"]:
        container = await host.run(*command)
        print(container.id, flush=True)
    if settings["half"]:
        container = host.container("sleep", "1000")
        print(container.id, flush=True)
        asyncio.create_task(host.runtime.create(host.launch(container)))
        await asyncio.sleep(settings["half"])
        import os
        os.kill(os.getpid(), 9)
    await asyncio.sleep(1000)

asyncio.run(story())
"""


def _daemon(directory: Path, root: Path, *commands: list[str], half: float = 0.0) -> "subprocess.Popen[str]":
    settings = {"directory": str(directory), "root": str(root), "commands": commands, "half": half}
    return subprocess.Popen(
        [sys.executable, "-c", _DAEMON, json.dumps(settings)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_containers_survive_a_daemon_that_is_killed(tmp_path: Path) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            slow = [
                "sh",
                "-c",
                "echo before; while ! [ -e /tmp/go ]; do sleep 0.01; done; echo after; exit 6",
            ]
            daemon = _daemon(tmp_path, host.root, ["sleep", "1000"], slow)
            assert daemon.stdout
            living, ending = (host.container("sleep", "1000"), host.container(*slow))
            identities = [daemon.stdout.readline().strip() for _ in range(2)]
            living, ending = replace(living, id=identities[0]), replace(ending, id=identities[1])
            host._made = {living.id: living, ending.id: ending}
            daemon.kill()
            daemon.wait()
            daemon.stdout.close()
            (host.root / "tmp/go").touch()
            end = None
            async with asyncio.timeout(PATIENCE):
                while end is None:
                    end = await host.runtime.last_exit(ending.id)
                    await asyncio.sleep(0.01)
            assert end.code == 6 and abs(end.finished / 1e9 - time.time()) < 60
            await host.leave()
            await host.open()
            assert await host.end_of(ending) == end
            assert list(await host.runtime.alive()) == [living.id]
            lines = [line.content async for line in host.runtime.logs(ending, LogQuery())]
            assert lines == [b"before\n", b"after\n"]

    play(story())


@pytest.mark.parametrize("moment", [0.001, 0.004, 0.008, 0.012, 0.02])
def test_a_daemon_killed_in_the_middle_of_create_leaves_nothing_that_stays(
    tmp_path: Path, moment: float
) -> None:
    async def story() -> None:
        async with container_host(tmp_path) as host:
            daemon = _daemon(tmp_path, host.root, half=moment)
            assert daemon.stdout
            identity = daemon.stdout.readline().strip()
            daemon.wait()
            daemon.stdout.close()
            host._made[identity] = host.container("sleep", "1000")
            await host.runtime.delete(identity)
            assert await host.runtime.alive() == {}
            assert not (tmp_path / "exec/containers" / identity).exists()

    play(story())
