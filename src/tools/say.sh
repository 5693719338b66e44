# Sourced: how set-up speaks. Every line says how many seconds have passed since the command was started.
: "${HOMING_STARTED:=$(date +%s)}"
export HOMING_STARTED

elapsed() { echo $(($(date +%s) - HOMING_STARTED)); }
say() { printf '==> [%3d s] %s\n' "$(elapsed)" "$*"; }
die() { printf 'set-up failed: %s\n' "$*" >&2; exit 1; }

# timed WHAT HOW_LONG COMMAND...: says what it is doing and how long that usually takes, then how long it took.
timed() {
  local what=$1 usually=$2 began; shift 2
  say "$what ($usually)"
  began=$(date +%s)
  "$@"
  say "$what: done in $(($(date +%s) - began)) s"
}

# side_by_side ONE OTHER: runs both functions at the same time, and fails if one fails. Each is a process group of its own, so that Ctrl-C
# ends all that they have begun; OTHER finds the process of ONE in $one. To be called plainly: behind `if` or before `||` bash would let the
# functions go on after an error.
side_by_side() {
  local failed=0 other
  set -m
  "$1" & one=$!
  "$2" & other=$!
  set +m
  trap 'kill -- "-$one" "-$other" 2>/dev/null; exit 130' INT TERM
  wait "$one" || failed=1
  wait "$other" || failed=1
  trap - INT TERM
  return $failed
}
