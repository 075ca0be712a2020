# Completions of @NAME@ for bash: @NAME@ itself is asked at each Tab. Source this from ~/.bashrc.
_@ID@_words() {
    local word words=() last= line prefix
    for word in "$@"; do
        # bash takes words apart at = and at :, the program does not.
        if [[ ${#words[@]} -gt 0 && ($word == [=:]* || $last == [=:]) ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        last=$word
    done
    [[ $last == [=:] ]] && last=
    prefix=${words[${#words[@]} - 1]%"$last"}
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line#"$prefix"}")
    done < <(OIDC_LAB_COMPLETE=bash @PROGRAM@ -- "${words[@]}" 2> /dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2> /dev/null
    return 0
}
_@ID@_complete() {
    _@ID@_words "${COMP_WORDS[@]:0:COMP_CWORD+1}"
}
complete -F _@ID@_complete @NAME@
