# What the benchmarks share. To be sourced.

sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
# The median of the numbers on stdin.
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.3f", v[int((NR + 1) / 2)] }'; }
