#!/usr/bin/env bash
# Runs the tests on every supported Python that this machine has, each in an environment of its own.
# Looks on PATH first, then among pyenv's versions (its shims on PATH answer only for the chosen ones).
set -euo pipefail
cd "$(dirname "$0")/.."

answers_as() { # interpreter, version
  "$1" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" >/dev/null 2>&1
}

find_python() { # version
  local candidate root
  if answers_as "python$1" "$1"; then
    command -v "python$1"
    return 0
  fi
  root="$(pyenv root 2>/dev/null || echo "${PYENV_ROOT:-$HOME/.pyenv}")"
  # The newest patch release first.
  for candidate in $(ls -d "$root/versions/$1".*/bin/python 2>/dev/null | sort -rV); do
    if answers_as "$candidate" "$1"; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

install() { # interpreter, environment
  if [ "$2/.installed" -nt pyproject.toml ]; then
    return 0
  fi
  "$1" -m venv --clear "$2"
  "$2/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[test,dev]'
  touch "$2/.installed"
}

ran=() skipped=() failed=()
for version in 3.11 3.12 3.13; do
  if ! python="$(find_python "$version")"; then
    skipped+=("$version")
    continue
  fi
  echo "== Python $version ($python)"
  install "$python" ".venv-$version"
  if ".venv-$version/bin/python" -m pytest "$@"; then
    ran+=("$version")
  else
    failed+=("$version")
  fi
done

echo "passed: ${ran[*]:-none}; failed: ${failed[*]:-none}; skipped, no such interpreter here: ${skipped[*]:-none}"
[ "${#failed[@]}" -eq 0 ] && [ "${#ran[@]}" -gt 0 ]
