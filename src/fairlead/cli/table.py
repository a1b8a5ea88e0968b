"""Every command: its name, where it is defined, what it does, and in which section the help lists it."""

from fairlead.cli.commands import Place

_COMMON, _MANAGEMENT = "Common Commands", "Management Commands"


def _place(target: str, summary: str, section: str = "Commands") -> Place:
    return Place(f"fairlead.cli.{target}", summary, section)


CONTAINER = {
    "attach": _place(
        "attaching:attach",
        "Attach local standard input, output, and error streams to a running container",
    ),
    "commit": _place("containers:commit", "Create a new image from a container's changes"),
    "cp": _place("copying:cp", "Copy files/folders between a container and the local filesystem"),
    "create": _place("running:create", "Create a new container"),
    "diff": _place("containers:diff", "Inspect changes to files or directories on a container's filesystem"),
    "exec": _place("attaching:exec_", "Execute a command in a running container", _COMMON),
    "export": _place("containers:export", "Export a container's filesystem as a tar archive"),
    "inspect": _place("inspecting:container", "Display detailed information on one or more containers"),
    "kill": _place("lifecycle:kill", "Kill one or more running containers"),
    "logs": _place("containers:logs", "Fetch the logs of a container"),
    "ls": _place("container_list:ls", "List containers"),
    "pause": _place("lifecycle:pause", "Pause all processes within one or more containers"),
    "port": _place("containers:port", "List port mappings or a specific mapping for the container"),
    "prune": _place("pruning:containers", "Remove all stopped containers"),
    "rename": _place("lifecycle:rename", "Rename a container"),
    "restart": _place("lifecycle:restart", "Restart one or more containers"),
    "rm": _place("lifecycle:rm", "Remove one or more containers"),
    "run": _place("running:run", "Create and run a new container from an image", _COMMON),
    "start": _place("running:start", "Start one or more stopped containers"),
    "stats": _place("statistics:stats", "Display a live stream of container(s) resource usage statistics"),
    "stop": _place("lifecycle:stop", "Stop one or more running containers"),
    "top": _place("containers:top", "Display the running processes of a container"),
    "unpause": _place("lifecycle:unpause", "Unpause all processes within one or more containers"),
    "update": _place("lifecycle:update", "Update configuration of one or more containers"),
    "wait": _place("lifecycle:wait", "Block until one or more containers stop, then print their exit codes"),
}

IMAGE = {
    "build": _place("building:build", "Build an image from a Dockerfile"),
    "history": _place("image_list:history", "Show the history of an image"),
    "import": _place("images:import_", "Import the contents from a tarball to create a filesystem image"),
    "inspect": _place("inspecting:image", "Display detailed information on one or more images"),
    "load": _place("images:load", "Load an image from a tar archive or STDIN"),
    "ls": _place("image_list:ls", "List images"),
    "prune": _place("pruning:images", "Remove unused images"),
    "pull": _place("images:pull", "Download an image from a registry", _COMMON),
    "push": _place("images:push", "Upload an image to a registry", _COMMON),
    "rm": _place("images:rm", "Remove one or more images"),
    "save": _place("images:save", "Save one or more images to a tar archive (streamed to STDOUT by default)"),
    "tag": _place("images:tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
}

NETWORK = {
    "connect": _place("networks:connect", "Connect a container to a network"),
    "create": _place("networks:create", "Create a network"),
    "disconnect": _place("networks:disconnect", "Disconnect a container from a network"),
    "inspect": _place("inspecting:network", "Display detailed information on one or more networks"),
    "ls": _place("networks:ls", "List networks"),
    "prune": _place("pruning:networks", "Remove all unused networks"),
    "rm": _place("networks:rm", "Remove one or more networks"),
}

VOLUME = {
    "create": _place("volumes:create", "Create a volume"),
    "inspect": _place("inspecting:volume", "Display detailed information on one or more volumes"),
    "ls": _place("volumes:ls", "List volumes"),
    "prune": _place("pruning:volumes", "Remove unused local volumes"),
    "rm": _place("volumes:rm", "Remove one or more volumes"),
}

SYSTEM = {
    "df": _place("disk:df", "Show docker disk usage"),
    "events": _place("events:events", "Get real time events from the server"),
    "info": _place("system:info", "Display system-wide information", _COMMON),
    "prune": _place("pruning:system", "Remove unused data"),
}

OVERLAY = {
    "status": _place("overlay:status", "Show the hosts of the cluster and the networks that they share"),
    "verify": _place("overlay:verify", "Compare the kernel with the store, and ask a container of each host"),
}

for _group in (CONTAINER, IMAGE, NETWORK, VOLUME):
    _group["list"] = _group["ls"].aside() if "ls" in _group else _group["list"]
    if "rm" in _group:
        _group["remove"] = _group["rm"].aside()
CONTAINER["ps"] = CONTAINER["ls"].aside()

_SHORTCUTS = {
    name: CONTAINER[name]
    for name in CONTAINER
    if name not in ("inspect", "ls", "list", "prune", "ps", "remove")
} | {name: IMAGE[name] for name in ("build", "history", "import", "load", "pull", "push", "save", "tag")}

COMMANDS = {
    **_SHORTCUTS,
    "ps": _place("container_list:ps", "List containers", _COMMON),
    "images": _place("image_list:images", "List images", _COMMON),
    "rmi": _place("images:rmi", "Remove one or more images"),
    "inspect": _place("inspecting:inspect", "Return low-level information on Docker objects"),
    "events": SYSTEM["events"],
    "info": SYSTEM["info"],
    "explain": _place("explain:explain_", "Say whether one end reaches another, and what decides"),
    "doctor": _place("doctor:doctor", "Look whether the host is as it should be"),
    "version": _place("system:version", "Show the Docker version information", _COMMON),
    "container": _place("groups:container", "Manage containers", _MANAGEMENT),
    "image": _place("groups:image", "Manage images", _MANAGEMENT),
    "network": _place("groups:network", "Manage networks", _MANAGEMENT),
    "overlay": _place("groups:overlay", "Look into networks over several hosts", _MANAGEMENT),
    "volume": _place("groups:volume", "Manage volumes", _MANAGEMENT),
    "system": _place("groups:system", "Manage the engine", _MANAGEMENT),
    "completion": _place("shells:completion", "Generate the autocompletion script for the specified shell"),
}
