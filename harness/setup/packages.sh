# System packages: which are missing, and installing them where there is apt-get.
# Sourced after common.sh; or run as `sh packages.sh missing [STAGE]`, which only prints names.

packages_file=${GAUNTLET_PACKAGES:-$GAUNTLET_ROOT/harness/packages.txt}

# package_lines STAGE: its lines of the list; every stage for "all".
package_lines() {
  while read -r name stage probe why; do
    case $name in '' | '#'*) continue ;; esac
    if [ "$1" = all ] || [ "$1" = "$stage" ]; then
      printf '%s %s %s\n' "$name" "$probe" "$why"
    fi
  done <"$packages_file"
}

# is_there NAME PROBE: as a package, or else as what the package is wanted for.
is_there() {
  case $2 in
    # Debian's python3 has ensurepip only with python3-venv; a python3 of another origin has it.
    python:*) python3 -c "import ${2#python:}" >/dev/null 2>&1 && return 0 || return 1 ;;
    /*) [ -e "$2" ] && return 0 ;;
    '<'*)
      header=${2#<}
      header=${header%>}
      for folder in /usr/include /usr/local/include; do
        [ -e "$folder/$header" ] && return 0
      done
      ;;
    *) command -v "$2" >/dev/null 2>&1 && return 0 ;;
  esac
  command -v dpkg-query >/dev/null 2>&1 || return 1
  # The package may keep its files elsewhere than where the probe looks.
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# missing_packages STAGE: their names, one a line.
missing_packages() {
  package_lines "$1" | while read -r name probe why; do
    is_there "$name" "$probe" || printf '%s\n' "$name"
  done
}

# list_missing STAGE WORDS: sets $listed to the missing names, and shows them under WORDS with what
# each is for; fails when nothing is missing.
list_missing() {
  missing=$(missing_packages "$1")
  [ -n "$missing" ] || return 1
  listed=$(printf '%s ' $missing)
  listed=${listed% }
  say "$2"
  package_lines "$1" | while read -r name probe why; do
    case " $listed " in
      *" $name "*) printf '  %-20s %s\n' "$name" "$(printf '%s' "$why" | tr '-' ' ')" >&2 ;;
    esac
  done
}

# install_packages STAGE: installs what is missing; status 3 when that cannot be.
install_packages() {
  list_missing "$1" "missing for the $1 step:" || return 0
  command -v apt-get >/dev/null 2>&1 ||
    fail "this system has no apt-get: install by its own means what corresponds to: $listed"
  find_privilege "$listed"
  apt_install "$listed"
}

# install_components: as install_packages, but a component that cannot be had stops nothing: the
# cases of its subjects are not_run.
install_components() {
  list_missing component 'components that subjects are adapters of, missing here:' || return 0
  (command -v apt-get >/dev/null 2>&1 || fail 'this system has no apt-get'
   find_privilege "$listed"
   apt_install "$listed") ||
    say 'going on without them: the cases of their subjects will be not_run'
}

# find_privilege NAMES: sets $privilege to what goes before apt-get.
find_privilege() {
  privilege=
  [ "$(id -u)" = 0 ] && return 0
  if command -v sudo >/dev/null 2>&1; then
    privilege=sudo
    sudo -n true 2>/dev/null && return 0
    # With a terminal sudo can ask for the password itself.
    [ -t 0 ] && [ -t 2 ] && return 0
  fi
  fail "installing them needs root: sudo apt-get install --no-install-recommends $1"
}

apt_install() {
  say "installing with apt-get${privilege:+ through $privilege}: $1"
  updated=no
  for name in $1; do
    if ! apt-cache show "$name" >/dev/null 2>&1; then
      apt_update
      break
    fi
  done
  if ! apt_get install -y --no-install-recommends $1; then
    # Lists of another day name files that are no longer there.
    [ "$updated" = no ] || fail_with_log "$setup/apt.log" "apt-get could not install: $1"
    apt_update
    apt_get install -y --no-install-recommends $1 ||
      fail_with_log "$setup/apt.log" "apt-get could not install: $1"
  fi
  # Proof rather than trust: a package may be installed and yet not be what is needed.
  still=$(missing_packages all | while read -r name; do
    case " $1 " in *" $name "*) printf '%s ' "$name" ;; esac
  done)
  [ -z "$still" ] || fail "apt-get said it installed them, yet these are missing: $still"
}

apt_update() {
  updated=yes
  say 'fetching the package lists'
  apt_get update || fail_with_log "$setup/apt.log" "apt-get update failed, wanted for: $listed"
}

apt_get() {
  # The last two: a broker that is installed for tests must not become a running service.
  run_logged "$setup/apt.log" show_apt $privilege env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
    SYSTEMD_OFFLINE=1 RUNLEVEL=1 apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

show_apt() {
  case $1 in
    'Setting up '* | 'Need to get '* | 'Fetched '* | E:* | Err:*) printf '  %s\n' "$1" >&2 ;;
  esac
}

case ${0##*/}:${1:-} in
  packages.sh:missing) missing_packages "${2:-all}" ;;
esac
