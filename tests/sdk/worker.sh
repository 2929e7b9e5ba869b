#!/bin/sh
# A task of the stock worker of test_languages.py: which activity, folder; the input is on stdin.
input=$(cat)
if [ "$1" = own ]; then
    echo "${input%]}, \"rust\"]"
    exit
fi
echo "$input" >>"$2/calls"
: >"$2/begun-rust"
while [ ! -e "$2/go" ]; do sleep 0.02; done
echo "{\"item\": $input, \"by\": \"rust\"}"
