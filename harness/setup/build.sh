#!/bin/sh
# Builds the suites with one CMake preset: `sh build.sh PRESET`. Does nothing twice.
set -eu

preset=${1:?the name of a CMake preset is needed}
GAUNTLET_ROOT=${GAUNTLET_ROOT:-$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)}
. "$GAUNTLET_ROOT/harness/setup/common.sh"
. "$GAUNTLET_ROOT/harness/setup/packages.sh"

tree=$GAUNTLET_ROOT/build/$preset
terminal=no
[ -t 2 ] && terminal=yes
erase=$(printf '\r\033[K')

show_build() {
  case $terminal:$1 in
    yes:'['*) printf '%s  %.76s' "$erase" "$1" >&2 ;;
    no:*) ;;
    *) printf '%s  %s\n' "$erase" "$1" >&2 ;;
  esac
}

end_line() {
  [ "$terminal" = no ] || printf '%s' "$erase" >&2
}

install_build_packages() {
  key=$(stamp_of "$packages_file")
  if ! is_done packages "$key"; then
    install_packages build
    mark_done packages "$key"
  fi
  # Asked for once: what could not be had then is `harness/gauntlet doctor`'s to tell.
  [ "${GAUNTLET_MINIMAL:-0}" = 0 ] || return 0
  is_done components "$key" && return 0
  install_components
  mark_done components "$key"
}

configure() {
  # Later changes of CMake files are ninja's to see; changed presets, and components that have come
  # or gone, it cannot know.
  key="$(stamp_of "$GAUNTLET_ROOT/CMakePresets.json") without: $(missing_packages component | tr '\n' ' ')"
  [ -f "$tree/build.ninja" ] && is_done "configure-$preset" "$key" && return 0
  say "configuring build/$preset"
  run_logged "$setup/configure-$preset.log" show_nothing cmake --preset "$preset" ||
    fail_with_log "$setup/configure-$preset.log" "cmake --preset $preset failed"
  mark_done "configure-$preset" "$key"
}

compile() {
  # A dry run tells in a moment whether there is anything to say.
  case $(ninja -C "$tree" -n 2>/dev/null 9>&- | tail -n 1) in
    *'no work to do'*) return 0 ;;
  esac
  say "building build/$preset"
  began=$(date +%s)
  run_logged "$setup/build-$preset.log" show_build cmake --build --preset "$preset" || {
    end_line
    fail_with_log "$setup/build-$preset.log" "the build of preset $preset failed"
  }
  end_line
  say "built build/$preset in $(($(date +%s) - began)) s"
}

cd -- "$GAUNTLET_ROOT"
[ -f CMakePresets.json ] || fail "there is no CMakePresets.json in $GAUNTLET_ROOT"
if [ -f "$tree/suites.json" ] && ! [ -w "$tree" ]; then
  say "build/$preset is not this user's to change; taking it as it is"
  exit 0
fi
take_lock
install_build_packages
configure
compile
