# The virtual environment of the harness, in .venv of the checkout, from pyproject.toml.
# Sourced after common.sh and packages.sh. Defines $venv.

venv=$GAUNTLET_ROOT/.venv

# The interpreter inside the environment decides whether it is stale, not the one on the PATH: it
# is the one that runs. The place belongs to it, as what pip installed there names the checkout.
venv_key() {
  version=$("$venv/bin/python" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null) ||
    return 1
  printf '%s %s %s\n' "$version" "$(stamp_of "$GAUNTLET_ROOT/pyproject.toml")" "$GAUNTLET_ROOT"
}

set_up_python() {
  if key=$(venv_key) && is_done python "$key"; then
    return 0
  fi
  command -v python3 >/dev/null 2>&1 || fail 'there is no python3'
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed; $(python3 --version 2>&1) is there"
  take_lock
  # Whoever held the lock may have done it all.
  if key=$(venv_key) && is_done python "$key"; then
    drop_lock
    return 0
  fi
  install_packages python
  make_venv
  drop_lock
}

make_venv() {
  say "setting up Python in $venv"
  if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    # Absent, or left by a Python that is no longer there.
    run_logged "$setup/venv.log" show_nothing python3 -m venv --clear "$venv" ||
      fail_with_log "$setup/venv.log" 'python3 -m venv failed'
  fi
  say 'installing the Python packages that pyproject.toml names'
  run_logged "$setup/pip.log" show_nothing "$venv/bin/python" -m pip --disable-pip-version-check \
    install --quiet --editable "$GAUNTLET_ROOT[dev]" ||
    fail_with_log "$setup/pip.log" 'pip could not install what pyproject.toml names'
  key=$(venv_key) || fail "$venv/bin/python does not run"
  mark_done python "$key"
}
