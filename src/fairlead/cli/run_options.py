"""The options that `run` and `create` share."""

from fairlead.cli import checks, mounting
from fairlead.cli.endpoints import network
from fairlead.cli.flags import Flag
from fairlead.cli.kinds import (
    BOOL,
    BYTES,
    CPUS,
    DURATION,
    INT,
    LIST,
    MAP,
    STRING,
    SWAP_BYTES,
    UINT16,
    Kind,
    listed,
)

_CGROUPNS = """Cgroup namespace to use (host|private)
'host':    Run the container in the host's cgroup namespace
'private': Run the container in its own private cgroup namespace
'':        Use the cgroup namespace as configured by the daemon (default)"""
_HEALTH_PERIOD = "Start period for the container to initialize before starting health-retries countdown"
_HEALTH_START = "Time between running the check during the start period"
_UNITS = "(ms|s|m|h) (default 0s)"
_NETWORK = listed(network, "network")
_ALIAS = listed(lambda text: text)
_WINDOWS = Kind("int", INT.read, zero=0)
_WINDOWS_COUNT = Kind("uint", INT.read, zero=0)

SHARED = (
    Flag("add-host", "Add a custom host-to-IP mapping (host:ip)", listed(checks.extra_host)),
    Flag("annotation", "Add an annotation to the container (passed through to the OCI runtime)", MAP),
    Flag("attach", "Attach to STDIN, STDOUT or STDERR", listed(checks.stream), short="a"),
    Flag(
        "blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)", UINT16
    ),
    Flag("blkio-weight-device", "Block IO weight (relative device weight)", listed(checks.device_weight)),
    Flag("cap-add", "Add Linux capabilities", LIST),
    Flag("cap-drop", "Drop Linux capabilities", LIST),
    Flag("cgroup-parent", "Optional parent cgroup for the container", STRING),
    Flag("cgroupns", _CGROUPNS, STRING),
    Flag("cidfile", "Write the container ID to the file", STRING, completes="files"),
    Flag("cpu-count", "CPU count (Windows only)", _WINDOWS, hidden=True),
    Flag("cpu-percent", "CPU percent (Windows only)", _WINDOWS, hidden=True),
    Flag("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period", INT),
    Flag("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota", INT),
    Flag("cpu-rt-period", "Limit CPU real-time period in microseconds", INT),
    Flag("cpu-rt-runtime", "Limit CPU real-time runtime in microseconds", INT),
    Flag("cpu-shares", "CPU shares (relative weight)", INT, short="c"),
    Flag("cpus", "Number of CPUs", CPUS),
    Flag("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)", STRING),
    Flag("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)", STRING),
    Flag("device", "Add a host device to the container", LIST, completes="files"),
    Flag("device-cgroup-rule", "Add a rule to the cgroup allowed devices list", listed(checks.device_rule)),
    Flag("device-read-bps", "Limit read rate (bytes per second) from a device", listed(checks.device_bytes)),
    Flag(
        "device-read-iops", "Limit read rate (IO per second) from a device", listed(checks.device_operations)
    ),
    Flag("device-write-bps", "Limit write rate (bytes per second) to a device", listed(checks.device_bytes)),
    Flag(
        "device-write-iops", "Limit write rate (IO per second) to a device", listed(checks.device_operations)
    ),
    Flag("disable-content-trust", "Skip image verification", BOOL, default=True),
    Flag("dns", "Set custom DNS servers", listed(checks.name_server)),
    Flag("dns-opt", "Set DNS options", LIST, same_as="dns-option"),
    Flag("dns-option", "Set DNS options", LIST),
    Flag("dns-search", "Set custom DNS search domains", listed(checks.search_domain)),
    Flag("domainname", "Container NIS domain name", STRING),
    Flag("entrypoint", "Overwrite the default ENTRYPOINT of the image", STRING),
    Flag("env", "Set environment variables", listed(checks.variable), short="e"),
    Flag("env-file", "Read in a file of environment variables", LIST, completes="files"),
    Flag("expose", "Expose a port or a range of ports", LIST),
    Flag(
        "gpus",
        "GPU devices to add to the container ('all' to pass all GPUs)",
        listed(checks.gpus, "gpu-request"),
    ),
    Flag("group-add", "Add additional groups to join", LIST),
    Flag("health-cmd", "Command to run to check health", STRING),
    Flag("health-interval", f"Time between running the check {_UNITS}", DURATION),
    Flag("health-retries", "Consecutive failures needed to report unhealthy", INT),
    Flag("health-start-interval", f"{_HEALTH_START} {_UNITS}", DURATION),
    Flag("health-start-period", f"{_HEALTH_PERIOD} {_UNITS}", DURATION),
    Flag("health-timeout", f"Maximum time to allow one check to run {_UNITS}", DURATION),
    Flag("hostname", "Container host name", STRING, short="h"),
    Flag("init", "Run an init inside the container that forwards signals and reaps processes"),
    Flag("interactive", "Keep STDIN open even if not attached", short="i"),
    Flag(
        "io-maxbandwidth",
        "Maximum IO bandwidth limit for the system drive (Windows only)",
        BYTES,
        hidden=True,
    ),
    Flag("io-maxiops", "Maximum IOps limit for the system drive (Windows only)", _WINDOWS_COUNT, hidden=True),
    Flag("ip", "IPv4 address (e.g., 172.30.100.104)", STRING),
    Flag("ip6", "IPv6 address (e.g., 2001:db8::33)", STRING),
    Flag("ipc", "IPC mode to use", STRING),
    Flag("isolation", "Container isolation technology", STRING),
    Flag("kernel-memory", "Kernel memory limit", BYTES, hidden=True),
    Flag("label", "Set meta data on a container", listed(checks.label), short="l"),
    Flag("label-file", "Read in a line delimited file of labels", LIST, completes="files"),
    Flag("link", "Add link to another container", listed(checks.link), completes="containers"),
    Flag("link-local-ip", "Container IPv4/IPv6 link-local addresses", LIST),
    Flag("log-driver", "Logging driver for the container", STRING),
    Flag("log-opt", "Log driver options", LIST),
    Flag("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)", STRING),
    Flag("memory", "Memory limit", BYTES, short="m"),
    Flag("memory-reservation", "Memory soft limit", BYTES),
    Flag("memory-swap", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", SWAP_BYTES),
    Flag("memory-swappiness", "Tune container memory swappiness (0 to 100)", INT, default=-1),
    Flag("mount", "Attach a filesystem mount to the container", listed(mounting.mount, "mount")),
    Flag("name", "Assign a name to the container", STRING),
    Flag("net", "Connect a container to a network", _NETWORK, same_as="network", completes="networks"),
    Flag("net-alias", "Add network-scoped alias for the container", _ALIAS, same_as="network-alias"),
    Flag("network", "Connect a container to a network", _NETWORK, completes="networks"),
    Flag("network-alias", "Add network-scoped alias for the container", _ALIAS),
    Flag("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
    Flag("oom-kill-disable", "Disable OOM Killer"),
    Flag("oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)", INT),
    Flag("pid", "PID namespace to use", STRING),
    Flag("pids-limit", "Tune container pids limit (set -1 for unlimited)", INT),
    Flag("platform", "Set platform if server is multi-platform capable", STRING),
    Flag("privileged", "Give extended privileges to this container"),
    Flag("publish", "Publish a container's port(s) to the host", LIST, short="p"),
    Flag("publish-all", "Publish all exposed ports to random ports", short="P"),
    Flag("pull", 'Pull image before running ("always", "missing", "never")', STRING, default="missing"),
    Flag("quiet", "Suppress the pull output", short="q"),
    Flag("read-only", "Mount the container's root filesystem as read only"),
    Flag("restart", "Restart policy to apply when a container exits", STRING, default="no"),
    Flag(
        "rm",
        "Automatically remove the container and its associated anonymous volumes when it exits",
    ),
    Flag("runtime", "Runtime to use for this container", STRING),
    Flag("security-opt", "Security Options", LIST),
    Flag("shm-size", "Size of /dev/shm", BYTES),
    Flag("stop-signal", "Signal to stop the container", STRING),
    Flag("stop-timeout", "Timeout (in seconds) to stop a container", INT),
    Flag("storage-opt", "Storage driver options for the container", LIST),
    Flag("sysctl", "Sysctl options", listed(checks.sysctl, "map")),
    Flag("tmpfs", "Mount a tmpfs directory", LIST),
    Flag("tty", "Allocate a pseudo-TTY", short="t"),
    Flag("ulimit", "Ulimit options", listed(checks.ulimit, "ulimit")),
    Flag("user", "Username or UID (format: <name|uid>[:<group|gid>])", STRING, short="u"),
    Flag("userns", "User namespace to use", STRING),
    Flag("uts", "UTS namespace to use", STRING),
    Flag("volume", "Bind mount a volume", LIST, short="v", completes="volumes"),
    Flag("volume-driver", "Optional volume driver for the container", STRING),
    Flag("volumes-from", "Mount volumes from the specified container(s)", LIST, completes="containers"),
    Flag("workdir", "Working directory inside the container", STRING, short="w"),
)

RUN = (
    Flag("detach", "Run container in background and print container ID", short="d"),
    Flag("detach-keys", "Override the key sequence for detaching a container", STRING),
    Flag("sig-proxy", "Proxy received signals to the process", BOOL, default=True),
)
