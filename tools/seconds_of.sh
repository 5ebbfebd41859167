# shellcheck shell=bash
# For `.` by the project's scripts.

# seconds_of 90s|30m|2h|90: prints the seconds, more than 0. Fails when it is not such a time.
seconds_of() {
  local number unit_s
  [[ $1 =~ ^([0-9]{1,9})([smh]?)$ ]] || return 1
  number=$((10#${BASH_REMATCH[1]})) # 08 is eight, not a bad octal number
  case ${BASH_REMATCH[2]} in
    m) unit_s=60 ;;
    h) unit_s=3600 ;;
    *) unit_s=1 ;;
  esac
  ((number > 0)) && echo $((number * unit_s))
}
