"""Builds `otpnode._fast`, the compiled forms of the hottest paths, where there is a C compiler.

Without one the wheel is pure Python and does the same, more slowly. ``OTPNODE_PURE=1`` asks for that.
An editable install leaves the module beside the sources.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FastPaths(BuildHookInterface[Any]):
    """Adds the compiled module to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say so to the builder; a failure is a warning."""
        if os.environ.get("OTPNODE_PURE", "") not in ("", "0"):
            return
        from setuptools.errors import BaseError

        os.chdir(self.root)
        try:
            built = _compiled()
        except BaseError as error:
            self.app.display_warning(f"otpnode._fast was not built, otpnode runs in pure Python: {error}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if version != "editable":
            build_data["force_include"][str(built)] = f"otpnode/{built.name}"


def _compiled() -> Path:
    from setuptools import Distribution, Extension

    sources = sorted(str(path) for path in Path("csrc").glob("*.c"))
    headers = [str(path) for path in Path("csrc").glob("*.h")]
    fast = Extension("otpnode._fast", sources, depends=headers, extra_compile_args=["-O3"])
    build = Distribution({"name": "otpnode", "ext_modules": [fast]}).get_command_obj("build_ext")
    build.inplace = True
    build.force = True
    build.ensure_finalized()
    build.run()
    return Path(build.get_ext_fullpath("otpnode._fast")).relative_to(Path.cwd())
