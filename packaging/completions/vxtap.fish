# fish completion of vxtap: asks vxtap itself what may stand where.

function __vxtap_candidates
    set -l words (commandline -opc)
    set -l command $words[1]
    set -e words[1]
    command -q -- $command; or return
    set -l current (commandline -ct)
    set -l option (string match -r -- '^--[^=]+=' $current)
    if set -q option[1]
        set -a words (string replace -r '=$' '' -- $option)
        set current (string replace -- $option '' $current)
    end
    # What fits the word is the shell's to say: it also finds names by a part of them.
    set -l begun (string match -r -- '^-' $current)
    set -l candidates ($command __complete $words "$begun" 2>/dev/null)
    if test "$candidates" = :/file
        set candidates (complete -C "__fish_command_without_completions $current")
    end
    string join \n -- "$option"$candidates
end

complete -c vxtap -f -a '(__vxtap_candidates)'
