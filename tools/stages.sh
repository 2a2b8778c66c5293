# Sourced by scripts that run in stages: `stage NAME` ends one and begins the next. When the script
# ends, a line for each says how many seconds it took, and which one failed.
stage_lines=()
stage_name=''

stage() {
  end_stage
  stage_name=$1
  stage_started=$SECONDS
  printf '\n\033[1m== %s\033[0m\n' "$1"
}

# end_stage [RESULT]: the stage ended so, without another that begins.
end_stage() {
  [ -z "$stage_name" ] || stage_lines+=("$(printf '%6d s  %s%s' $((SECONDS - stage_started)) "$stage_name" "${1:+: $1}")")
  stage_name=''
}

report_stages() {
  if [ $? -eq 0 ]; then end_stage; else end_stage FAILED; fi
  [ ${#stage_lines[@]} -eq 0 ] || printf '%s\n' '' "${stage_lines[@]}"
}
trap report_stages EXIT
