
# `cargo @NAME@ ...`, beside cargo's own completions.
function __cargo_@ID@_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l at (contains --index -- @NAME@ $words); or return
    __@ID@_words $words[$at..] "$(commandline --current-token --cut-at-cursor)"
end
complete --keep-order --no-files --command cargo --condition '__fish_seen_subcommand_from @NAME@' --arguments '(__cargo_@ID@_complete)'
