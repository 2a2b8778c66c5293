# Cases of a script that gives the programs what they must refuse or survive; a line per case and a count. Sourced.
cases=0 wrong=0 verbose=${verbose:-}

# verdict NAME PROBLEM ANSWER: an empty problem is right. The answer is shown where it is not, and under --verbose.
verdict() {
  cases=$((cases + 1))
  if [ -z "$2" ]; then
    echo "ok      $1"
  else
    wrong=$((wrong + 1))
    echo "FAILED  $1: $2"
  fi
  if [ -n "$verbose$2" ]; then sed 's/^/          /' <<<"$3"; fi
}
lines() { [ -z "$1" ] && echo 0 || wc -l <<<"$1"; }
# Adds to the $problem of the case in work.
add() { problem="$problem${problem:+; }$1"; }

# Runs a program: $status, $out, $err. What it says goes to files in $answers.
run() {
  status=0
  "$@" >"$answers/out.txt" 2>"$answers/err.txt" </dev/null || status=$?
  out=$(<"$answers/out.txt") err=$(<"$answers/err.txt")
}

# The last line of a script, and its end.
count_cases() {
  echo "$((cases - wrong)) of $cases cases are answered as they should be"
  [ "$wrong" = 0 ]
}
