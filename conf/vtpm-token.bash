# bash completion for vtpm-token                                            -*- shell-script -*-

_vtpm_token() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word command=''
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      init | list | store | check | dump) command="$command${command:+ }$word" ;;
    esac
  done
  case $previous in
    --pin-file | --so-pin-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      compopt -o filenames
      return
      ;;
    --label | --so-pin-fd | --pin-fd) return ;;
  esac
  case $command in
    '') mapfile -t COMPREPLY < <(compgen -W 'init list store --help --version' -- "$current") ;;
    init) mapfile -t COMPREPLY < <(compgen -W '--label --so-pin-file --so-pin-fd --pin-file --pin-fd --json --help' -- "$current") ;;
    list) mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$current") ;;
    store) mapfile -t COMPREPLY < <(compgen -W 'check dump --help' -- "$current") ;;
    'store check' | 'store dump')
      if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -f -X '!*.vtpm' -- "$current" && compgen -d -- "$current")
        compopt -o filenames
      fi
      ;;
  esac
}
complete -F _vtpm_token vtpm-token
