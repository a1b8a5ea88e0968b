"""What a step was to do, as the beginning of a sentence that says it could not be done."""

from fairlead.model.host import (
    AddressKey,
    FdbKey,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    NamespaceKey,
    NeighbourKey,
    RouteKey,
    Step,
    SysctlKey,
)


def cannot(step: Step) -> str:
    """`cannot ACTION SUBJECT`, without a reason."""
    return f"cannot {_action(step)}"


def place(namespace: str) -> str:
    """Where, as an addition to a subject; nothing for the host's own namespace."""
    return f" in namespace {namespace}" if namespace else ""


def _action(step: Step) -> str:
    key, gone = step.key, step.after is None
    match key:
        case NamespaceKey():
            return f"{'remove' if gone else 'create'} network namespace {key.name}"
        case LinkKey():
            return f"{'delete' if gone else 'create'} link {key.name}{place(key.namespace)}"
        case LinkSettingKey():
            return _setting(key, str(step.after))
        case AddressKey():
            subject = f"link {key.link}{place(key.namespace)}"
            return (
                f"remove address {key.address} from {subject}"
                if gone
                else f"add address {key.address} to {subject}"
            )
        case RouteKey():
            return f"{'delete' if gone else 'add'} route {key.destination}{place(key.namespace)}"
        case FdbKey():
            subject = f"forwarding entry {key.mac} of link {key.link}{place(key.namespace)}"
            return f"delete {subject}" if gone else f"set {subject} to {step.after}"
        case NeighbourKey():
            subject = f"neighbour {key.address} of link {key.link}{place(key.namespace)}"
            return f"delete {subject}" if gone else f"set {subject} to {step.after}"
        case SysctlKey():
            return f"set {'.'.join(key.path)} to {step.after}{place(key.namespace)}"
    return f"change {key}"


def _setting(key: LinkSettingKey, value: str) -> str:
    link = f"link {key.link}{place(key.namespace)}"
    match key.setting:
        case LinkSetting.UP:
            return f"raise {link}" if value == "on" else f"take down {link}"
        case LinkSetting.MASTER:
            return f"attach {link} to bridge {value}" if value else f"detach {link} from its bridge"
        case LinkSetting.HAIRPIN | LinkSetting.ISOLATED | LinkSetting.LEARNING:
            return f"switch {key.setting} {value} on {link}"
        case LinkSetting.KEEPS_MAC:
            return f"fix the hardware address of {link}"
        case LinkSetting.MTU | LinkSetting.MAC:
            return f"set {key.setting} of {link} to {value}"
