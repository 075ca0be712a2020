
# `cargo @NAME@ ...`; everything else after `cargo` is completed as it was before.
if [[ -z ${_cargo_before_@ID@+set} ]]; then
    if declare -F _comp_load > /dev/null; then
        _comp_load cargo
    elif declare -F _completion_loader > /dev/null; then
        _completion_loader cargo
    fi 2> /dev/null
    _cargo_before_@ID@=$(complete -p cargo 2> /dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
    if [[ -n $_cargo_before_@ID@ ]]; then
        eval "$(complete -p cargo | sed 's/ -F [^ ]* / -F _cargo_or_@ID@ /')"
    else
        complete -o default -F _cargo_or_@ID@ cargo
    fi
fi
_cargo_or_@ID@() {
    local at=1
    [[ ${COMP_WORDS[1]} == +* ]] && at=2
    if [[ $COMP_CWORD -gt $at && ${COMP_WORDS[at]} == @NAME@ ]]; then
        _@ID@_words "${COMP_WORDS[@]:at:COMP_CWORD-at+1}"
    elif [[ -n $_cargo_before_@ID@ ]]; then
        "$_cargo_before_@ID@" "$@"
    fi
}
