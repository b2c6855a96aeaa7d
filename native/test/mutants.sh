#!/bin/sh
# Plants one mistake at a time in a copy of mlxshim.m and fails unless each is found: by a failed check or a crash, by a
# line on standard error, or by memory that grows with the rounds.
#
#   mutants.sh CONTRACT_PROGRAM    linked with build/standin/libmlxshim.so
set -eu
cd "$(dirname "$0")/.."

program=$1
folder=build/test/mutant
shim=$folder/mlxshim.m
mkdir -p "$folder"
caught=0

# What gives the mutant in $folder away; nothing where it passes for the original. One line is enough: the pipe then
# ends a run that would go on complaining.
evidence() {
    export LD_LIBRARY_PATH="$folder"
    # shellcheck disable=SC2069 # standard error is what is looked at, standard output not
    line=$({ timeout 60 "$program" 1 2>&1 > /dev/null || echo "exit status $?"; } | head -n 1)
    if [ -z "$line" ]; then
        # shellcheck disable=SC2069
        line=$(sh test/check-memory.sh "$program" 3 6 2>&1 > /dev/null || :)
    fi
    # Without the time and the process that GNUstep puts before its warnings.
    echo "$line" | sed -e 's/^[-0-9]* [:.0-9]* [^ ]*\[[0-9:]*\] //' -e 's/^\(.\{100\}\).*/\1.../'
}

build() {
    OBJECTS=build/standin sh standin/build.sh "$folder" "$shim" -w > /dev/null
}

# plant NAME PATTERN REPLACEMENT: one mutant for each line that matches.
plant() {
    name=$1
    pattern=$2
    replacement=$3
    places=$(grep -cE "$pattern" metal/mlxshim.m || :)
    if [ "$places" -eq 0 ]; then
        echo "mutants.sh: mlxshim.m has nothing like '$pattern' any more, for: $name" >&2
        exit 1
    fi
    place=1
    while [ $place -le "$places" ]; do
        # The function is the last name at the start of a line; the mutant is on its nth matching line.
        where=$(awk -v place=$place -v pattern="$pattern" -v replacement="$replacement" -v copy="$shim" '
            /^[a-z].*[a-z_]+[(]/ { function_name = $0; sub(/[(].*/, "", function_name); sub(/.*[ *]/, "", function_name) }
            $0 ~ pattern && ++seen == place { sub(pattern, replacement); print function_name ", line " NR }
            { print > copy }' metal/mlxshim.m)
        build
        found=$(evidence)
        if [ -z "$found" ]; then
            echo "mutants.sh: not caught: $name in $where" >&2
            exit 1
        fi
        echo "caught: $name in $where ($found)"
        caught=$((caught + 1))
        place=$((place + 1))
    done
}

# What finds a mistake where there is none finds nothing.
cp metal/mlxshim.m "$shim"
build
found=$(evidence)
if [ -n "$found" ]; then
    echo "mutants.sh: the original is taken for a mutant ($found)" >&2
    exit 1
fi

release='[[].* release[]];'
plant 'dropped release' "$release" ''
plant 'extra release' "$release" '& &'
plant 'missing autorelease pool' '@autoreleasepool [{]' '{'
plant 'missing lock' 'objc_sync_enter[(].*;' ''
plant 'missing clear' 'memset[(].*;' ''
echo "mutants of mlxshim.m: $caught planted, $caught caught"
