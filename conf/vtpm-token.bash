# bash completion for vtpm-token                                            -*- shell-script -*-

_vtpm_token() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word command=''
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      init | list | store | check | dump | repair | compact | swtpm | import | export | ca | create | certify) command="$command${command:+ }$word" ;;
    esac
  done
  case $previous in
    --directory)
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      compopt -o filenames
      return
      ;;
    --key-format) mapfile -t COMPREPLY < <(compgen -W 'hex binary' -- "$current") && return ;;
    --kdf) mapfile -t COMPREPLY < <(compgen -W 'pbkdf2 sha512' -- "$current") && return ;;
    --mode) mapfile -t COMPREPLY < <(compgen -W 'aes-cbc aes-256-cbc' -- "$current") && return ;;
    --pin-file | --so-pin-file | --key-file | --passphrase-file | --owner-auth-file | --endorsement-auth-file | --lockout-auth-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      compopt -o filenames
      return
      ;;
    --label | --name | --token | --so-pin-fd | --pin-fd) return ;;
  esac
  case $command in
    '') mapfile -t COMPREPLY < <(compgen -W 'init list store ca swtpm --help --version' -- "$current") ;;
    init) mapfile -t COMPREPLY < <(compgen -W '--label --so-pin-file --so-pin-fd --pin-file --pin-fd --json --help' -- "$current") ;;
    list) mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$current") ;;
    store) mapfile -t COMPREPLY < <(compgen -W 'check dump repair compact --help' -- "$current") ;;
    ca) mapfile -t COMPREPLY < <(compgen -W 'create certify --help' -- "$current") ;;
    'ca create') mapfile -t COMPREPLY < <(compgen -W '--directory --name --help' -- "$current") ;;
    'ca certify') mapfile -t COMPREPLY < <(compgen -W '--directory --token --pin-file --pin-fd --help' -- "$current") ;;
    swtpm) mapfile -t COMPREPLY < <(compgen -W 'import export --help' -- "$current") ;;
    'swtpm import') mapfile -t COMPREPLY < <(compgen -W '--directory --label --token --so-pin-file --so-pin-fd --pin-file --pin-fd --key-file --key-format --passphrase-file --kdf --mode --owner-auth-file --endorsement-auth-file --lockout-auth-file --discard-volatile --help' -- "$current") ;;
    'swtpm export') mapfile -t COMPREPLY < <(compgen -W '--directory --token --pin-file --pin-fd --key-file --key-format --passphrase-file --kdf --mode --overwrite --help' -- "$current") ;;
    'store check' | 'store dump' | 'store repair' | 'store compact')
      if [[ $current == -* ]]; then
        local options='--json --help'
        [[ $command != 'store repair' ]] || options+=' --accept-older --pin-file --pin-fd'
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -f -X '!*.vtpm' -- "$current" && compgen -d -- "$current")
        compopt -o filenames
      fi
      ;;
  esac
}
complete -F _vtpm_token vtpm-token
