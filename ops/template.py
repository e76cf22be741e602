"""Reads `template.yaml` as data: CloudFormation's short forms become their long forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path


class _Loader(yaml.SafeLoader):
    """A safe loader that also knows `!Ref`, `!Sub` and their like."""


def _long_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = str(node.value)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def load_template(path: Path) -> dict[str, Any]:
    """Return the template in ``path``; raises `yaml.YAMLError` when it is none."""
    with path.open(encoding="utf-8") as file:
        # The loader is a safe one: it adds constructors of plain dictionaries only.
        template: dict[str, Any] = yaml.load(file, Loader=_Loader)  # nosec B506  # noqa: S506
    return template
