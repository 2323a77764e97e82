# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of hobblectl(1) for bash. Which words there are is hobblectl's to know: hobblectl --complete prints them.
# Nothing that it prints, and nothing on the command line, is evaluated here.

# The words up to the cursor, as they were typed: bash splits them at "=", ":" and "@" as well. starts: where each
# begins in COMP_WORDS.
_hobblectl_words() {
        local rest=${COMP_LINE:0:COMP_POINT} part trimmed last=
        local -i i

        for ((i = 0; i <= COMP_CWORD; i++)); do
                part=${COMP_WORDS[i]}
                trimmed=${rest#"${rest%%[![:blank:]]*}"}
                ((i < COMP_CWORD)) || part=$trimmed
                if ((i > 0)) && [[ $trimmed == "$rest" && ($part == [=:@]* || $last == *[=:@]) ]]; then
                        words[-1]+=$part
                else
                        words+=("$part")
                        starts+=("$i")
                fi
                rest=${trimmed#"$part"}
                last=$part
        done
}

# What is a file, or a command: bash knows those better, and quotes them.
_hobblectl_names() {
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen "$@")
}

# _hobblectl_command N: the words from this one on are the line of another command.
_hobblectl_command() {
        local current=${words[-1]}

        if declare -F _command_offset >/dev/null; then
                _command_offset "${starts[$1]}"
        elif (($1 == ${#words[@]} - 1)); then
                _hobblectl_names -c -- "$current"
        else
                _hobblectl_names -f -- "$current"
        fi
}

# Where bash only lists, and puts nothing on the line, each word has its description behind it.
_hobblectl_describe() {
        local -i i width=0 room
        local text

        for text in "${COMPREPLY[@]}"; do
                ((${#text} <= width)) || width=${#text}
        done
        room=$((${COLUMNS:-80} - width - 6))
        for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
                if ((room > 8)) && [[ ${descriptions[i]} ]]; then
                        printf -v text '%-*s  (%s)' "$width" "${COMPREPLY[i]}" "${descriptions[i]:0:room}"
                        COMPREPLY[i]=$text
                fi
        done
}

_hobblectl() {
        local line word current cut='' breaks=${COMP_WORDBREAKS//[^=:]/}
        local -a words=() starts=() descriptions=()

        COMPREPLY=()
        _hobblectl_words
        current=${words[-1]#[\"\']}
        [[ -z $breaks ]] || cut=${current%"${current##*["$breaks"]}"}

        while IFS= read -r line; do
                case $line in
                $'\t'files) _hobblectl_names -f -- "${current#"$cut"}" ;;
                $'\t'nospace) compopt -o nospace 2>/dev/null ;;
                $'\t'command\ *) _hobblectl_command "$((${line##* } + 1))" ;;
                *)
                        word=${line%%$'\t'*}
                        [[ $word != *= ]] || compopt -o nospace 2>/dev/null
                        word=${word#"$cut"}
                        [[ $word != *[!A-Za-z0-9_@%+=:,./-]* ]] || printf -v word %q "$word"
                        COMPREPLY+=("$word")
                        descriptions+=("${line#*$'\t'}")
                        ;;
                esac
        done < <(command hobblectl --complete "${words[@]:1:${#words[@]}-2}" "$current" 2>/dev/null)

        [[ $COMP_TYPE != @(63|33|64) ]] || ((${#COMPREPLY[@]} < 2 || ${#descriptions[@]} < ${#COMPREPLY[@]})) ||
                _hobblectl_describe
}

complete -o nosort -F _hobblectl hobblectl 2>/dev/null || complete -F _hobblectl hobblectl
