# shellcheck shell=bash
# The console of ./quickstart and ./check: numbered steps, a progress line for whatever takes long, one log file for
# each step, and the end of that log when the step fails. Sourced; needs `VTPM_LOGS`, the directory of the logs.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  console_bold=$'\e[1m' console_dim=$'\e[2m' console_green=$'\e[32m' console_red=$'\e[31m' console_plain=$'\e[0m'
else
  console_bold='' console_dim='' console_green='' console_red='' console_plain=''
fi

title() { printf '\n%s%s%s\n' "$console_bold" "$*" "$console_plain"; }
note() { printf '%s\n' "$*"; }
die() {
  printf '\n%serror:%s %s\n' "$console_red" "$console_plain" "$*" >&2
  exit 1
}

duration() { # seconds -> "42 s" or "3 min 05 s"
  if [ "$1" -lt 60 ]; then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

# How far a running step is, as "done total", read from what ninja, ctest and apt write into its log.
progress_of() {
  tail -c 8192 "$1" | tr '\r' '\n' | sed -nE \
    -e 's/^\[([0-9]+)\/([0-9]+)\].*/\1 \2/p' \
    -e 's/^ *([0-9]+)\/([0-9]+) Test .*/\1 \2/p' \
    -e 's/^(dl|pm)status:[^:]*:([0-9]+)[0-9.]*:.*/\2 100/p' | tail -n 1
}

draw_progress() { # label, log, seconds so far
  local done_ total_ bar='' left='' filled
  read -r done_ total_ < <(progress_of "$2") || true
  if [ -n "${total_:-}" ] && [ "$total_" -gt 0 ]; then
    filled=$((24 * done_ / total_))
    bar=$(printf '[%*s' "$filled" '' | tr ' ' '#')$(printf '%*s]' $((24 - filled)) '' | tr ' ' '.')
    bar="$bar $done_ of $total_"
    # An estimate from one or two finished parts would only mislead.
    if [ "$3" -ge 5 ] && [ $((done_ * 10)) -ge "$total_" ]; then
      left=", about $(duration $(($3 * (total_ - done_) / done_))) left"
    fi
  fi
  printf '\r\e[K  ...  %s  %s  %s%s' "$1" "$bar" "$(duration "$3")" "$left"
}

# step NAME LABEL COMMAND...: runs the command with its output in $VTPM_LOGS/NAME.log. Returns the command's status.
step() {
  local name=$1 label=$2 log="$VTPM_LOGS/$1.log" started=$SECONDS told=$SECONDS status=0 pid
  shift 2
  mkdir -p "$VTPM_LOGS"
  # A process group of its own, which is stopped with the script: Ctrl-C leaves no compiler behind.
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  # shellcheck disable=SC2064 # this pid, now
  trap "kill -TERM -- -$pid 2>/dev/null; exit 130" INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    if [ -t 1 ]; then
      draw_progress "$label" "$log" $((SECONDS - started))
      sleep 0.3
    else
      # A log reader wants a sign of life, not an animation.
      if [ $((SECONDS - told)) -ge 60 ]; then
        told=$SECONDS
        note "  ...  $label  $(progress_of "$log" | sed 's/ / of /')  $(duration $((SECONDS - started)))"
      fi
      sleep 0.2
    fi
  done
  wait "$pid" || status=$?
  trap - INT TERM
  [ -t 1 ] && printf '\r\e[K'
  if [ "$status" -eq 0 ]; then
    note "  ${console_green}ok${console_plain}   $label ${console_dim}($(duration $((SECONDS - started))))${console_plain}"
  else
    note "  ${console_red}FAIL${console_plain} $label (status $status after $(duration $((SECONDS - started))))"
  fi
  return "$status"
}

# The same, but a failure shows the end of the log and ends the script.
must() {
  local name=$1 label=$2
  if ! step "$@"; then
    note ''
    note "--- the last lines of $VTPM_LOGS/$name.log"
    tail -n 40 "$VTPM_LOGS/$name.log" | sed 's/^/    /'
    die "$label failed; the whole log is $VTPM_LOGS/$name.log"
  fi
}
