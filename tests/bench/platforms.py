"""Many small platforms, a namespace each."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from tests.api.platforms import Object, PlatformUser
from tests.cluster.api_client import ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

NAME: Final = "acme"
#: Platforms that are created at a time.
_PARALLEL: Final = 8
_DELETE_SECONDS: Final = 300
_ALL: Final = "/apis/pryv.io/v1alpha1/pryvplatforms"


def spec(number: int, **further: Any) -> Object:
    """Five lines, as a user who wants the defaults writes them; a domain of its own."""
    return {"domain": f"pryv-{number}.acme.test", **further}


@dataclass(frozen=True)
class Fleet:
    """Platforms in the namespaces ``PREFIX-0000``, ``PREFIX-0001``, …"""

    cluster: ControlPlane
    prefix: str
    size: int

    def user(self, number: int) -> PlatformUser:
        """Who acts in the namespace of one of them."""
        return PlatformUser(self.cluster, self.namespace(number))

    def namespace(self, number: int) -> str:
        """All of the same length, so that one can be copied as another."""
        return f"{self.prefix}-{number:04}"

    def create_namespaces(self, numbers: Sequence[int] | None = None) -> None:
        """Create the namespaces, or some of them, that do not exist."""

        def create(number: int) -> None:
            metadata = {"metadata": {"name": self.namespace(number)}}
            try:
                self.cluster.api.create("/api/v1/namespaces", metadata)
            except ApiError as error:
                if error.status != 409:
                    raise

        self._each(create, numbers)

    def apply(self, numbers: Sequence[int] | None = None, **further: Any) -> None:
        """Apply the platforms, or some of them, with further fields of the spec."""
        self._each(
            lambda number: self.user(number).replace_platform(spec(number, **further)),
            numbers,
        )

    def install(self, *, seconds: float, **further: Any) -> None:
        """Apply the platforms and wait until all of them are Ready."""
        self.apply(**further)
        self.wait_ready(seconds=seconds)

    def wait_ready(self, numbers: Sequence[int] | None = None, *, seconds: float) -> None:
        """Wait until all, or some, are Ready in their current generation."""
        chosen = range(self.size) if numbers is None else numbers
        try:
            wait_until(
                lambda: not self.unready(chosen),
                f"{len(chosen)} platforms of {self.prefix} to be Ready",
                seconds=seconds,
                every=min(5.0, 0.1 + len(chosen) / 100),
            )
        except TimeoutError as error:
            unready = self.unready(chosen)
            raise AssertionError(f"{error}; {len(unready)} are not: {unready[:3]}") from error

    def unready(self, numbers: Sequence[int]) -> list[str]:
        """Namespaces whose platform is not Ready, or not in its current generation."""
        ready = {item["metadata"]["namespace"] for item in self._items() if is_ready(item)}
        names = (self.namespace(number) for number in numbers)
        return [name for name in names if name not in ready]

    def delete(self) -> None:
        """Delete the platforms and their namespaces, and wait until the platforms are gone."""
        self._each(lambda number: self.user(number).delete_all())
        wait_until(
            lambda: not self._items(),
            f"the platforms of {self.prefix} to be gone",
            seconds=_DELETE_SECONDS,
        )
        self._each(
            lambda number: self.cluster.api.delete(f"/api/v1/namespaces/{self.namespace(number)}")
        )

    def objects(self, number: int) -> int:
        """How many objects the operator manages for a platform, with its revisions."""
        user = self.user(number)
        return len(user.resource_versions()) + len(user.list("controllerrevisions", None))

    def _items(self) -> list[Object]:
        names = {self.namespace(number) for number in range(self.size)}
        items = self.cluster.api.get(_ALL)["items"]
        return [item for item in items if item["metadata"]["namespace"] in names]

    def _each(self, action: Any, numbers: Sequence[int] | None = None) -> None:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(action, range(self.size) if numbers is None else numbers))


def is_ready(item: Object) -> bool:
    """Whether all is done for the current generation: it is Ready and rolled out, or stopped."""
    generation = item["metadata"]["generation"]
    conditions = {
        each["type"]: each
        for each in item.get("status", {}).get("conditions", ())
        if each["observedGeneration"] == generation
    }
    if conditions.get("Ready", {}).get("reason") == "Stopped":
        return True
    return all(
        conditions.get(kind, {}).get("status") == "True" for kind in ("Ready", "RolloutComplete")
    )
