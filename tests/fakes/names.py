"""The resolver in memory: names, their reverse, and resolvers in namespaces that exist."""

from collections.abc import Collection, Sequence

from fairlead.model.errors import StepFailed
from fairlead.model.host import Key, NameKey, PointerKey, Resolver, ResolverKey, State, Step, Value


class FakeNames:
    """boundary.Actuator for names and resolvers.

    `namespaces` are those that exist: each name with something that tells it from an earlier one of
    that name.
    """

    handles: tuple[type[Key], ...] = (ResolverKey, NameKey, PointerKey)

    def __init__(self) -> None:
        self.namespaces: dict[str, object] = {}
        self._records: dict[NameKey | PointerKey, str] = {}
        self._resolvers: dict[str, tuple[object, Resolver]] = {}

    async def observe(self, keys: Collection[Key]) -> State:
        return {key: self._look(key) for key in keys}

    async def everything(self) -> State:
        resolvers: dict[Key, Value | None] = {
            ResolverKey(name): value for name, (_, value) in self._resolvers.items()
        }
        return {**self._records, **resolvers}

    async def perform(self, steps: Sequence[Step]) -> None:
        before = dict(self._records), dict(self._resolvers)
        for step in steps:
            try:
                self._change(step.key, step.after)
            except StepFailed:
                self._records, self._resolvers = before
                raise

    def _look(self, key: Key) -> Value | None:
        if isinstance(key, NameKey | PointerKey):
            return self._records.get(key)
        assert isinstance(key, ResolverKey)
        born_in, value = self._resolvers.get(key.namespace, (None, None))
        return value if born_in is not None and born_in is self.namespaces.get(key.namespace) else None

    def _change(self, key: Key, value: Value | None) -> None:
        if isinstance(key, NameKey | PointerKey):
            assert value is None or isinstance(value, str)
            if value is None:
                self._records.pop(key, None)
            else:
                self._records[key] = value
            return
        assert isinstance(key, ResolverKey)
        self._resolvers.pop(key.namespace, None)
        if value is None:
            return
        assert isinstance(value, Resolver)
        namespace = self.namespaces.get(key.namespace)
        if namespace is None:
            raise StepFailed(
                f"cannot open a resolver in {key.namespace}: there is no network namespace {key.namespace}", 0
            )
        self._resolvers[key.namespace] = (namespace, value)
