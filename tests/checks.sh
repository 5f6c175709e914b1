# What the tests in shell check with. To be sourced; the numbers are for the last line.

passed=0
failed=0
ok() { echo "ok - $1"; passed=$((passed + 1)); }
not_ok() { echo "not ok - $1"; failed=$((failed + 1)); }
# is WHAT FOUND EXPECTED
is() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: found \"$2\", expected \"$3\""; fi; }
# has WHAT TEXT PART; lacks WHAT TEXT PART
has() { case $2 in *"$3"*) ok "$1" ;; *) not_ok "$1: found \"$2\", which lacks \"$3\"" ;; esac; }
lacks() { case $2 in *"$3"*) not_ok "$1: found \"$3\"" ;; *) ok "$1" ;; esac; }
