# Sourced by the scripts beside it: `make_venv` gives .venv with what requirements.lock names.
# Needs Python 3.11 or later with its venv module, and nothing else. PYTHON names another one.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv"

fail() {
  printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 2
}

is_recent() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
  local candidate candidates="${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}"
  for candidate in $candidates; do
    if command -v "$candidate" >/dev/null && is_recent "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 or later is needed (found none among: $candidates)" \
    "sudo apt-get install python3 python3-venv, or name one: PYTHON=/path/to/python $0"
}

# What the environment was made from. A change of any of it makes the environment anew.
wanted_stamp() {
  printf '%s\n' "$root" "$("$1" -VV)"
  cksum <"$root/requirements.lock"
  cksum <"$root/pyproject.toml"
}

install_locked() {
  local pip=("$venv/bin/python" -m pip --disable-pip-version-check)
  local install=("${pip[@]}" install -qq --no-deps) broken
  # The lock is whole, so pip need not resolve; `check` says when it is not.
  "${install[@]}" -r requirements.lock
  # setuptools is in the lock: the build fetches nothing of its own.
  "${install[@]}" --no-build-isolation -e .
  broken="$("${pip[@]}" check)" || fail "requirements.lock is not whole: $broken" "scripts/lock"
}

make_venv() {
  local python stamp
  cd "$root"
  python="$(find_python)"
  stamp="$(wanted_stamp "$python")"
  # The stamp is written last, so an environment that was cut short is made anew.
  if [[ -x "$venv/bin/python" && "$(cat "$venv/.stamp" 2>/dev/null)" == "$stamp" ]]; then
    return
  fi
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no venv module" \
      "sudo apt-get install python3-venv (or python3.X-venv for a Python that is not Debian's default)"
  echo "making .venv with $("$python" --version): a minute or two, once" >&2
  "$python" -m venv --clear "$venv"
  install_locked
  printf '%s\n' "$stamp" >"$venv/.stamp"
}
