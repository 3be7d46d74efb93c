#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What bash would offer: test-completion.sh COMPLETIONS PROGRAM
source "$1"
program=$2
failed=0

offers () {
  local wanted=$1
  shift
  COMP_WORDS=("$program" "$@")
  COMP_CWORD=$#
  compopt () { :; }
  _sluice
  if [[ ! " ${COMPREPLY[*]} " == *" $wanted "* ]]; then
    echo "not ok: ${*:-nothing}: \"$wanted\" is not in: ${COMPREPLY[*]}"
    failed=1
  fi
}

offers serve s
offers ctl c
offers --config serve --c
offers restart ctl re
offers readers ctl --json re
offers --set ctl add x --s
offers --follow ctl events --f
offers transport= ctl add x --set tr
offers rtsp.listen= serve --set rtsp.l
offers multicast probe --transport m
offers --reference config --ref

# Every command and every verb of the program is known to the completion.
for command in $("$program" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
  offers "$command" "$command"
done
for verb in $("$program" ctl --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z|]*\) .*/\1/p' | tr '|' ' '); do
  offers "$verb" ctl "$verb"
done
exit $failed
