# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A real swtpm on a state directory, for tpm2-tools (TPM2TOOLS_TCTI). Sourced after client.sh.
swtpm_pid=
at_exit() { stop_swtpm; }
start_swtpm() { # DIRECTORY [options of swtpm]
  local directory=$1
  shift
  swtpm socket --tpm2 --tpmstate dir="$directory" --server type=unixio,path="$scratch/tpm" \
    --ctrl type=unixio,path="$scratch/tpm.ctrl" --flags startup-clear "$@" >swtpm.log 2>&1 &
  swtpm_pid=$!
  until [ -S "$scratch/tpm" ] && [ -S "$scratch/tpm.ctrl" ]; do
    kill -0 "$swtpm_pid"
    sleep 0.1
  done
  export TPM2TOOLS_TCTI=swtpm:path=$scratch/tpm
}
stop_swtpm() {
  [ -n "$swtpm_pid" ] || return 0
  tpm2_shutdown 2>/dev/null || true
  kill "$swtpm_pid" 2>/dev/null || true
  wait "$swtpm_pid" 2>/dev/null || true
  swtpm_pid=
  rm -f "$scratch/tpm" "$scratch/tpm.ctrl"
}
