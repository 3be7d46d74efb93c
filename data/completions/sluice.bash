# SPDX-License-Identifier: Apache-2.0
# Completion for bash: source this file, or install it as /usr/share/bash-completion/completions/sluice.
# Names of streams come from the running server, names of keys from the program.

_sluice_streams () {
  local args=() i
  for ((i = 2; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      -u | --url | -t | --token) args+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
    esac
  done
  "${COMP_WORDS[0]}" ctl "${args[@]}" list 2> /dev/null | tail -n +2 | cut -d ' ' -f 1
}

_sluice_keys () {
  "${COMP_WORDS[0]}" config --keys 2> /dev/null
}

# Keys of a stream, without their section.
_sluice_stream_keys () {
  _sluice_keys | sed -n 's,^streams\.NAME\.,,p'
}

_sluice_complete () {
  local word
  COMPREPLY=()
  while read -r word; do
    COMPREPLY+=("$word")
  done < <(compgen "$@" -- "${COMP_WORDS[COMP_CWORD]}")
}

_sluice_ctl () {
  local verbs="list add set rm start stop restart status readers events" verb="" i
  for ((i = 2; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      -u | --url | -t | --token | -s | --set | -k | --kick | --since) ((i++)) ;;
      -*) ;;
      *)
        verb=${COMP_WORDS[i]}
        break
        ;;
    esac
  done
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    -s | --set)
      compopt -o nospace
      _sluice_complete -S = -W "$(_sluice_stream_keys)"
      return
      ;;
    -u | --url | -t | --token | -k | --kick | --since) return ;;
  esac
  if [[ ${COMP_WORDS[COMP_CWORD]} == -* ]]; then
    local options="--help --url --token --json"
    case $verb in
      add | set) options+=" --set" ;;
      readers) options+=" --kick" ;;
      events) options+=" --follow --since" ;;
    esac
    _sluice_complete -W "$options"
    return
  fi
  case $verb in
    "") _sluice_complete -W "$verbs" ;;
    set | rm | start | stop | restart | status | readers) _sluice_complete -W "$(_sluice_streams)" ;;
  esac
}

_sluice () {
  local previous=${COMP_WORDS[COMP_CWORD - 1]} current=${COMP_WORDS[COMP_CWORD]} options=""
  if ((COMP_CWORD == 1)); then
    _sluice_complete -W "serve ctl probe check config bench version --help --version"
    return
  fi
  case ${COMP_WORDS[1]} in
    ctl)
      _sluice_ctl
      return
      ;;
    serve) options="--help --config --set" ;;
    probe) options="--help --seconds --timeout --transport --json" ;;
    check) options="--help --set" ;;
    config) options="--help --dump --config --set --with-help --reveal --reference --keys hash-password" ;;
    bench) options="cameras publish read watch --help --listen --url --count --at-once --transport --seconds --spread \
      --warmup --server-pid --file --bitrate --fps --gop --drop --delay --jitter --reorder --duplicate --garbage \
      --stall-after --close-after --json" ;;
    version) options="--help" ;;
    *) return ;;
  esac
  case $previous in
    -s | --set)
      if [[ ${COMP_WORDS[1]} != @(bench|probe) ]]; then
        compopt -o nospace
        _sluice_complete -S = -W "$(_sluice_keys)"
      fi
      ;;
    -c | --config) _sluice_complete -f -X '!*.toml' ;;
    --transport) _sluice_complete -W "auto udp tcp multicast" ;;
    *)
      if [[ $current == -* || ${COMP_WORDS[1]} == @(bench|config) ]]; then
        _sluice_complete -W "$options"
      elif [[ ${COMP_WORDS[1]} == check ]]; then
        _sluice_complete -f -X '!*.toml'
      fi
      ;;
  esac
}

complete -o filenames -F _sluice sluice
