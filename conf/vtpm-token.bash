# SPDX-License-Identifier: Apache-2.0
# bash completion for vtpm-token                                            -*- shell-script -*-

_vtpm_token() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word command=''
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      key | pin | unblock) command="$command${command:+ }$word" ;;
      init | list | config | show | rename | reinit | delete | store | check | dump | repair | compact | build | add | extract | swtpm | import | export | ca | create | certify | attest | quote | verify | keyslot | add-key | del-key | change | amend | export-tss | import-tss | rekey | mechanisms) command="$command${command:+ }$word" ;;
    esac
  done
  local opens='--as --pin-file --pin-fd --key-file --key-fd --key-format'
  local fresh='--new-pin-file --new-pin-fd --new-key-file --new-key-fd --generate'
  case $previous in
    --directory)
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      compopt -o filenames
      return
      ;;
    --key-format) mapfile -t COMPREPLY < <(compgen -W 'hex binary' -- "$current") && return ;;
    --kdf)
      case $command in
        keyslot* | store*) mapfile -t COMPREPLY < <(compgen -W 'argon2id pbkdf2' -- "$current") ;;
        *) mapfile -t COMPREPLY < <(compgen -W 'pbkdf2 sha512' -- "$current") ;;
      esac
      return
      ;;
    --cipher) mapfile -t COMPREPLY < <(compgen -W 'aes-256-siv aes-cbc none' -- "$current") && return ;;
    --as) mapfile -t COMPREPLY < <(compgen -W 'user so keyfile' -- "$current") && return ;;
    --role) mapfile -t COMPREPLY < <(compgen -W 'user recovery keyfile so' -- "$current") && return ;;
    --mode) mapfile -t COMPREPLY < <(compgen -W 'aes-cbc aes-256-cbc' -- "$current") && return ;;
    --pin-file | --so-pin-file | --new-pin-file | --old-pin-file | --key-file | --new-key-file | --old-key-file | --input | --passphrase-file | --owner-auth-file | --endorsement-auth-file | --lockout-auth-file | --auth-file | --ca | --output | --description | --fixed)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      compopt -o filenames
      return
      ;;
    --label | --name | --token | --so-pin-fd | --pin-fd | --new-pin-fd | --old-pin-fd | --key-fd | --new-key-fd | --old-key-fd | --keyslot | --iter-time | --nonce | --pcrs | --id | --keep | --blob | --clear-blob | --room) return ;;
  esac
  case $command in
    '') mapfile -t COMPREPLY < <(compgen -W 'help init list rename reinit delete config store keyslot pin ca key attest swtpm mechanisms --help --version' -- "$current") ;;
    init) mapfile -t COMPREPLY < <(compgen -W '--label --so-pin-file --so-pin-fd --pin-file --pin-fd --no-pin --json --help' -- "$current") ;;
    rename) mapfile -t COMPREPLY < <(compgen -W "$opens --json --help" -- "$current") ;;
    reinit) mapfile -t COMPREPLY < <(compgen -W '--label --so-pin-file --so-pin-fd --pin-file --pin-fd --no-pin --json --help' -- "$current") ;;
    delete)
      if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--yes --json --help' -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -f -X '!*.vtpm' -- "$current" && compgen -d -- "$current")
        compopt -o filenames
      fi
      ;;
    config) mapfile -t COMPREPLY < <(compgen -W 'check show --help' -- "$current") ;;
    'config check' | 'config show') mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$current") ;;
    list) mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$current") ;;
    mechanisms) mapfile -t COMPREPLY < <(compgen -W '--json --markdown --help' -- "$current") ;;
    store) mapfile -t COMPREPLY < <(compgen -W 'check dump repair compact build add extract export import --help' -- "$current") ;;
    keyslot) mapfile -t COMPREPLY < <(compgen -W 'list add-key del-key change amend rekey --help' -- "$current") ;;
    'keyslot list') mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$current") ;;
    'keyslot add-key') mapfile -t COMPREPLY < <(compgen -W "$opens --role --keyslot $fresh --kdf --iter-time --json --help" -- "$current") ;;
    'keyslot del-key') mapfile -t COMPREPLY < <(compgen -W "$opens --keyslot --old-pin-file --old-pin-fd --old-key-file --old-key-fd --json --help" -- "$current") ;;
    'keyslot change') mapfile -t COMPREPLY < <(compgen -W "$opens $fresh --json --help" -- "$current") ;;
    'keyslot amend') mapfile -t COMPREPLY < <(compgen -W "$opens --input --help" -- "$current") ;;
    'keyslot rekey') mapfile -t COMPREPLY < <(compgen -W "$opens --keep --new-key-file --new-key-fd --yes --json --help" -- "$current") ;;
    pin) mapfile -t COMPREPLY < <(compgen -W 'unblock --help' -- "$current") ;;
    'pin unblock') mapfile -t COMPREPLY < <(compgen -W '--recovery --pin-file --pin-fd --new-pin-file --new-pin-fd --json --help' -- "$current") ;;
    ca) mapfile -t COMPREPLY < <(compgen -W 'create certify show --help' -- "$current") ;;
    'ca create') mapfile -t COMPREPLY < <(compgen -W '--directory --name --help' -- "$current") ;;
    'ca show') mapfile -t COMPREPLY < <(compgen -W '--token --pin-file --pin-fd --help' -- "$current") ;;
    'ca certify') mapfile -t COMPREPLY < <(compgen -W '--directory --token --pin-file --pin-fd --help' -- "$current") ;;
    attest) mapfile -t COMPREPLY < <(compgen -W 'key quote verify --help' -- "$current") ;;
    'attest key') mapfile -t COMPREPLY < <(compgen -W '--nonce --output --pin-file --pin-fd --help' -- "$current") ;;
    'attest quote') mapfile -t COMPREPLY < <(compgen -W '--token --pcrs --nonce --output --directory --pin-file --pin-fd --help' -- "$current") ;;
    'attest verify')
      if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--ca --nonce --imported --json --help' -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames
      fi
      ;;
    key) mapfile -t COMPREPLY < <(compgen -W 'export-tss import-tss --help' -- "$current") ;;
    'key export-tss') mapfile -t COMPREPLY < <(compgen -W '--output --auth-file --pin-file --pin-fd --help' -- "$current") ;;
    'key import-tss')
      if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--token --label --id --auth-file --pin-file --pin-fd --help' -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames
      fi
      ;;
    swtpm) mapfile -t COMPREPLY < <(compgen -W 'import export --help' -- "$current") ;;
    'swtpm import') mapfile -t COMPREPLY < <(compgen -W '--directory --label --token --so-pin-file --so-pin-fd --pin-file --pin-fd --key-file --key-format --passphrase-file --kdf --mode --owner-auth-file --endorsement-auth-file --lockout-auth-file --discard-volatile --help' -- "$current") ;;
    'swtpm export') mapfile -t COMPREPLY < <(compgen -W '--directory --token --pin-file --pin-fd --key-file --key-format --passphrase-file --kdf --mode --overwrite --discard-volatile --help' -- "$current") ;;
    'store check' | 'store dump' | 'store repair' | 'store compact' | 'store build' | 'store add' | 'store extract' | 'store export' | 'store import')
      if [[ $current == -* ]]; then
        local options='--json --help'
        case $command in
          'store check') options+=" $opens" ;;
          'store repair') options+=" --accept-older $opens" ;;
          'store build') options+=' --blob --clear-blob --description --cipher --pin-file --pin-fd --so-pin-file --so-pin-fd --key-file --key-fd --key-format --kdf --iter-time' ;;
          'store add') options+=" --blob --clear-blob --description --replace $opens" ;;
          'store export') options+=" --fixed --room $opens" ;;
          'store import') options+=' --accept-older' ;;
          'store extract') options="--output --help $opens" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -f -X '!*.vtpm' -- "$current" && compgen -d -- "$current")
        compopt -o filenames
      fi
      ;;
  esac
}
complete -F _vtpm_token vtpm-token
