# Sourced after env.sh: `make_extra_env FOLDER EXTRA...` gives FOLDER/venv with what these extras of
# pyproject.toml name, and without netinfer itself. pip's own settings say where from; a PIP_CONSTRAINT
# holds here too.

requirements_of() {
  "$1" - "$root/pyproject.toml" "${@:2}" <<'PYTHON'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    extras = tomllib.load(file)["project"]["optional-dependencies"]
print(*(line for extra in sys.argv[2:] for line in extras[extra]), sep="\n")
PYTHON
}

make_extra_env() {
  local folder="$1" python wanted
  python="$(find_python)"
  wanted="$("$python" -VV; requirements_of "$python" "${@:2}")"
  # The stamp is written last, so an environment that was cut short is made anew.
  if [[ "$(cat "$folder/venv/.stamp" 2>/dev/null)" == "$wanted" ]]; then
    return
  fi
  echo "making ${folder#"$root"/}/venv: a minute or two, once" >&2
  mkdir -p "$folder"
  echo '*' >"$folder/.gitignore"
  "$python" -m venv --clear "$folder/venv"
  requirements_of "$python" "${@:2}" |
    "$folder/venv/bin/python" -m pip --disable-pip-version-check install -qq -r /dev/stdin
  printf '%s\n' "$wanted" >"$folder/venv/.stamp"
}
