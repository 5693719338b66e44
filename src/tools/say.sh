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
