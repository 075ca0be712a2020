
# `cargo @NAME@ ...`: cargo's own completions ask a function of this name. Where there are none, that is all they know.
_cargo-@NAME@() { _@ID@ }
_cargo_only_@ID@() {
    local at=2
    [[ $words[2] == +* ]] && at=3
    if [[ $words[at] == @NAME@ ]] && (( CURRENT > at )); then
        words=("${(@)words[at,-1]}")
        (( CURRENT -= at - 1 ))
        _@ID@
    else
        _default
    fi
}
(( $+_comps[cargo] )) || compdef _cargo_only_@ID@ cargo
