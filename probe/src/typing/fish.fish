# Completions of @NAME@ for fish: @NAME@ itself is asked at each Tab. Save this as
# ~/.config/fish/conf.d/@NAME@.fish
function __@ID@_words
    OIDC_LAB_COMPLETE=fish @PROGRAM@ -- $argv 2>/dev/null
end
function __@ID@_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    __@ID@_words $words "$(commandline --current-token --cut-at-cursor)"
end
complete --keep-order --no-files --command @NAME@ --arguments '(__@ID@_complete)'
