# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The console of ./quickstart and ./check: steps, a progress line for steps that take long, one log file for each step, and
# the end of that log when the step fails. Sourced; needs `VTPM_LOGS`, the directory of the logs. A console that rejects a
# line (a full pipe that does not block, a full disk) never ends a script.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  console_bold=$'\e[1m' console_dim=$'\e[2m' console_green=$'\e[32m' console_red=$'\e[31m' console_plain=$'\e[0m'
else
  console_bold='' console_dim='' console_green='' console_red='' console_plain=''
fi

title() { printf '\n%s%s%s\n' "$console_bold" "$*" "$console_plain" || :; }
note() { printf '%s\n' "$*" || :; }
die() {
  printf '\n%serror:%s %s\n' "$console_red" "$console_plain" "$*" >&2 || :
  exit 1
}
# Indents the output of another program by PREFIX, and adds a missing newline to its last line.
indent() { # PREFIX
  sed -e "s/^/$1/" -e '$a\'
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
  printf '\r\e[K  ...  %s  %s  %s%s' "$1" "$bar" "$(duration "$3")" "$left" || :
}

# Shows a running step once: a progress bar on a terminal; in a log one line a minute.
progress_told=0
show_progress() { # label, log, when the step began
  if [ -t 1 ]; then
    draw_progress "$1" "$2" $((SECONDS - $3))
    sleep 0.3
  else
    [ "$progress_told" -ge "$3" ] || progress_told=$3
    if [ $((SECONDS - progress_told)) -ge 60 ]; then
      progress_told=$SECONDS
      note "  ...  $1  $(progress_of "$2" | sed 's/ / of /')  $(duration $((SECONDS - $3)))"
    fi
    sleep 0.2
  fi
}

# Another user may have built here before (with sudo, for example): cmake would stop in the middle, and a log that cannot
# be written would show the other user's messages as ours. Ends the script with a sentence that says so.
require_writable_build() { # needs VTPM_ROOT
  local stuck
  stuck=$(find "$VTPM_ROOT/build" ! -writable \( -type d -o -type f ! -user "$(id -u)" ! -name install_manifest.txt \) \
    -print -quit 2>/dev/null) || :
  [ -z "$stuck" ] || not_writable "$stuck"
  mkdir -p "$VTPM_LOGS" 2>/dev/null || not_writable "$VTPM_ROOT"
}
not_writable() { # PATH
  local owner
  owner=$(stat -c %U "$1")
  die "$1 is not writable for $(id -un), since it belongs to $owner. Build in a clone of your own; or, if $owner has only
built here, let $owner remove the build trees: rm -r $VTPM_ROOT/build"
}

# The first action of a step: an empty log.
open_log() { # LOG
  mkdir -p "${1%/*}" 2>/dev/null || not_writable "$VTPM_ROOT"
  { : >"$1"; } 2>/dev/null || not_writable "$(if [ -e "$1" ]; then echo "$1"; else dirname "$1"; fi)"
}

step_ended() { # label, status, when the step began
  local took
  took=$(duration $((SECONDS - $3)))
  [ ! -t 1 ] || printf '\r\e[K' || :
  if [ "$2" -eq 0 ]; then
    note "  ${console_green}ok${console_plain}   $1 ${console_dim}($took)${console_plain}"
  else
    note "  ${console_red}FAIL${console_plain} $1 (status $2 after $took)"
  fi
  return "$2"
}

# step NAME LABEL COMMAND...: runs the command with its output in $VTPM_LOGS/NAME.log. Returns the command's status.
step() {
  local label=$2 log="$VTPM_LOGS/$1.log" started=$SECONDS status=0 pid
  shift 2
  open_log "$log"
  # A process group of its own, which is stopped with the script: Ctrl-C leaves no compiler behind.
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  # shellcheck disable=SC2064 # this pid, now
  trap "kill -TERM -- -$pid 2>/dev/null; exit 130" INT TERM
  while kill -0 "$pid" 2>/dev/null; do show_progress "$label" "$log" "$started"; done
  wait "$pid" || status=$?
  trap - INT TERM
  step_ended "$label" "$status" "$started"
}

# The same for a command that may ask on the terminal first, as sudo does: it stays in the terminal's foreground, because
# a process of another group that reads the terminal is stopped. Its standard error is the terminal. Nothing is drawn
# over the question: the drawing begins with the first line in the log.
step_that_asks() {
  local label=$2 log="$VTPM_LOGS/$1.log" started=$SECONDS status=0 watcher
  shift 2
  open_log "$log"
  while kill -0 $$ 2>/dev/null; do
    if [ -s "$log" ]; then show_progress "$label" "$log" "$started"; else sleep 0.2; fi
  done &
  watcher=$!
  # shellcheck disable=SC2064 # this pid, now
  trap "kill $watcher 2>/dev/null; exit 130" INT TERM
  "$@" >"$log" </dev/null || status=$?
  kill "$watcher" 2>/dev/null || :
  wait "$watcher" 2>/dev/null || :
  trap - INT TERM
  step_ended "$label" "$status" "$started"
}

# Prints the end of a step's log, without apt's progress lines, and ends the script.
show_failure() { # NAME LABEL
  note ''
  note "--- the last lines of $VTPM_LOGS/$1.log"
  sed -E '/^(dl|pm)status:/d' "$VTPM_LOGS/$1.log" | tail -n 40 | indent '    '
  die "$2 failed; the whole log is $VTPM_LOGS/$1.log"
}
# A step whose failure shows the end of its log and ends the script.
must() {
  step "$@" || show_failure "$1" "$2"
}
