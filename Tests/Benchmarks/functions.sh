# What the benchmarks' scripts share; they source it.

ticks() { # PIDS...: user and system time of processes, in hundredths of a second
    local sum=0 pid
    for pid in "$@"; do sum=$((sum + $(awk '{print $14 + $15}' "/proc/$pid/stat"))); done
    echo $sum
}
calculate() { awk "BEGIN {printf \"%.3f\\n\", $1}"; }
median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
median_of() { printf '%s\n' "$@" | median; }
