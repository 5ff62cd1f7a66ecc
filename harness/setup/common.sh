# What every step of the set-up uses: messages, stamps, the lock, and commands with a log.
# Sourced; needs GAUNTLET_ROOT. Defines $setup, the folder of stamps and logs.

setup=$GAUNTLET_ROOT/build/setup

say() {
  printf 'gauntlet: %s\n' "$*" >&2
}

# The machine or the harness failed: design.md gives that the exit status 3.
fail() {
  say "$*"
  exit "${setup_failure:-3}"
}

# stamp_of FILE...: one word that changes when a file does.
stamp_of() {
  cat -- "$@" | cksum | tr ' ' '-'
}

# is_done STEP KEY: whether this step was done for this very key.
is_done() {
  [ -f "$setup/$1.stamp" ] && [ "$(cat -- "$setup/$1.stamp")" = "$2" ]
}

# mark_done STEP KEY
mark_done() {
  printf '%s\n' "$2" >"$setup/$1.stamp.$$"
  mv -f -- "$setup/$1.stamp.$$" "$setup/$1.stamp"
}

# Two invocations at once: the second waits here, and then finds everything done. The lock belongs
# to descriptor 9 and goes with this process, however it ends.
take_lock() {
  mkdir -p -- "$setup" 2>/dev/null || fail "$setup cannot be written"
  # In a subshell first: a failed redirection of exec would end this shell without a word.
  (: >>"$setup/lock") 2>/dev/null || fail "$setup cannot be written"
  exec 9>>"$setup/lock"
  try_lock n && return 0
  say 'another set-up is at work in this checkout; waiting for it'
  try_lock '' || fail "$setup/lock cannot be locked"
}

# try_lock n: at once or not at all; try_lock '': wait.
try_lock() {
  if command -v flock >/dev/null 2>&1; then
    flock ${1:+-n} 9
  else
    python3 -c "import fcntl, sys
fcntl.flock(9, fcntl.LOCK_EX | (fcntl.LOCK_NB if '$1' else 0))" 2>/dev/null
  fi
}

drop_lock() {
  exec 9>&-
}

# run_logged LOG SHOWN COMMAND...: runs the command with its output in LOG; each line for which
# the function SHOWN succeeds is shown. Returns the status of the command, which a pipe would hide.
run_logged() {
  log=$1
  shown=$2
  shift 2
  : >"$log"
  rm -f -- "$log.status"
  {
    command_status=0
    "$@" </dev/null 2>&1 9>&- || command_status=$?
    echo "$command_status" >"$log.status"
  } | while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    "$shown" "$line" || :
  done
  command_status=$(cat -- "$log.status" 2>/dev/null || echo 1)
  rm -f -- "$log.status"
  return "$command_status"
}

# fail_with_log LOG MESSAGE: the end of the log, where all of it is, and status 3.
fail_with_log() {
  tail -n 25 -- "$1" | sed 's/^/  | /' >&2
  fail "$2; the whole log is $1"
}

show_nothing() {
  :
}
