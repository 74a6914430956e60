# bash completion of vxtap: asks vxtap itself what may stand where, and quotes the answer.

# Reads the line up to the cursor as the shell would, and sets of its caller:
#   words       the words without their quotes; the last one is to be completed
#   quote       the quote that is still open
#   kept        how many characters of the last word readline does not replace: for it a word begins
#               behind one of COMP_WORDBREAKS, too, or behind an open quote
#   redirected  whether the last word is the file of a redirection
_vxtap_read_line() {
    local line=${COMP_LINE:0:COMP_POINT} character word= begun= opened=0
    while [[ -n $line ]]; do
        character=${line:0:1} line=${line:1}
        case $quote$character in
            "''" | '""') quote= ;;
            '"\')
                [[ $line == [\\\"\$\`]* ]] && character=${line:0:1} line=${line:1}
                word+=$character
                ;;
            [\'\"]?) word+=$character ;;
            [\'\"]) quote=$character opened=${#word} begun=1 ;;
            \\) word+=${line:0:1} line=${line:1} begun=1 ;;
            [[:space:]\<\>])
                if [[ -n $begun ]]; then
                    # The 2 of 2> is no word.
                    [[ -n $redirected || $word$character == [0-9][\<\>] ]] || words+=("$word")
                    redirected=
                fi
                [[ $character == [\<\>] ]] && redirected=1
                word= begun= kept=0
                ;;
            *)
                word+=$character begun=1
                [[ $COMP_WORDBREAKS == *"$character"* ]] && kept=${#word}
                ;;
        esac
    done
    [[ -n $quote ]] && kept=$opened
    words+=("$word")
}

# Quotes `text` of the caller for the place that it goes to.
_vxtap_quote() {
    case $quote in
        "'")
            local escaped="'\\''"
            text=${text//\'/"$escaped"}
            ;;
        '"')
            local character
            for character in '\' '"' '$' '`'; do text=${text//"$character"/"\\$character"}; done
            text=${text//!/'"\!"'}  # quoted like this it asks for no history
            ;;
        *) printf -v text %q "$text" ;;
    esac
    # Where the text begins or ends with the open quote, readline takes that for the quote itself.
    [[ -n $quote && $text == "$quote"* ]] && text=$quote$text
    [[ -n $quote && $text == *"$quote" ]] && text=$text$quote
}

_vxtap() {
    local words=() quote= kept=0 redirected= option= text i
    COMPREPLY=()
    _vxtap_read_line
    if [[ ${words[-1]} == --*=* ]]; then
        option=${words[-1]%%=*}=
        text=${words[-1]#*=}
        words[-1]=${option%=}
        words+=("$text")
    fi
    if [[ -z $redirected ]]; then
        mapfile -t COMPREPLY < <("$1" __complete "${words[@]:1}" 2>/dev/null)
    fi
    if [[ -n $redirected || ${COMPREPLY[0]-} == :/file ]]; then
        COMPREPLY=()
        compopt -o default
    fi
    for i in "${!COMPREPLY[@]}"; do
        text=$option${COMPREPLY[i]}
        text=${text:kept}
        _vxtap_quote
        COMPREPLY[i]=$text
    done
}

complete -F _vxtap vxtap
