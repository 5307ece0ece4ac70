#!/bin/bash
# Runs every tests/containers/test_*.sh (or those that are named), one after the other, and adds up what they counted.

cd "$(dirname "$0")" || exit 1
[ $# -gt 0 ] || set -- test_*.sh
result=$(mktemp)
passed=0 failed=0 skipped=0
for test in "$@"; do
	printf -- '---      %s\n' "$test"
	bash "$test" | tee "$result"
	# Without the last line the test broke off before it could count.
	read -r p f s < <(sed -n 's/^result  *\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$result")
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1})) skipped=$((skipped + ${s:-0}))
done
rm -f "$result"
printf '===      containers: %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
