#compdef @NAME@
# Completions of @NAME@ for zsh: @NAME@ itself is asked at each Tab. Source this from ~/.zshrc.
_@ID@() {
    local line
    local -a found folders
    for line in "${(@f)$(OIDC_LAB_COMPLETE=zsh @PROGRAM@ -- "${(@Q)words[1,CURRENT]}" 2> /dev/null)}"; do
        case $line in
            '') ;;
            */) folders+=("$line") ;;
            *$'\t'*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
            *) found+=("${line//:/\\:}") ;;
        esac
    done
    (( $#folders )) && compadd -S '' -a folders
    (( $#found )) && _describe -V @NAME@ found
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _@ID@ @NAME@
