# SPDX-License-Identifier: Apache-2.0
# bash completion for vtpm-token                                            -*- shell-script -*-
# This file contains no commands and no options: the build appends the function _vtpm_token_command, which the tool
# prints. For a command that function sets `commands`, the words that may follow, and `arguments`: NAME for an option
# without a value, otherwise NAME=KIND. A NAME without -- is an argument and not an option.

_vtpm_token_values() { # KIND CURRENT: what an option or argument of that kind may be
  case $1 in
    FILE) mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    'TOKEN|FILE') mapfile -t COMPREPLY < <(compgen -f -X '!*.vtpm' -- "$2"; compgen -d -- "$2") ;;
    DIRECTORY) mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    VALUE) return ;;
    *) mapfile -t COMPREPLY < <(compgen -W "${1//,/ }" -- "$2") && return ;;
  esac
  compopt -o filenames 2>/dev/null || : # it works only while a word is completed
}

_vtpm_token() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word command='' commands arguments
  local -a names
  _vtpm_token_command ''
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word != help && " $commands " == *" $word "* ]] || continue
    command+=${command:+ }$word
    _vtpm_token_command "$command"
  done
  read -r -a names <<<"$arguments"
  for word in "${names[@]}"; do # a value of the option before it
    [[ $word == "$previous="* ]] && _vtpm_token_values "${word#*=}" "$current" && return
  done
  for word in "${names[@]}"; do # a file that is no option's
    [[ $current != -* && $word != -* && $word == *FILE ]] && _vtpm_token_values "${word#*=}" "$current" && return
  done
  for word in "${names[@]}"; do
    [[ $word == --* ]] && commands+=" ${word%%=*}"
  done
  mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
}
complete -F _vtpm_token vtpm-token
