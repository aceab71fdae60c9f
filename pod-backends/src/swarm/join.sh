# Runs in a task before anything of POD is there, with nothing but bash and chmod: fetches POD's program from the manager,
# unpacks it, and becomes it. Arguments: the manager's host and port, its name in a Host header, where to unpack, for how
# many seconds to try, and the command to become.
host=$1 port=$2 name=$3 home=$4 patience=$5
shift 5
LC_ALL=C
trap 'exit 143' TERM
# Never ready to be read: what a pause reads from.
exec 4<> <(:)

complain() {
  printf '%s\n' "$1" >&2
  exit 1
}
type chmod >/dev/null 2>&1 || complain "the image has no chmod, which a task of a swarm needs; choose one that has"

# Descriptor 3 becomes the body of an answer.
ask() {
  exec 3<>"/dev/tcp/$host/$port" || return
  printf 'GET /api/v1/worker-link/%s HTTP/1.0\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n' \
    "$1" "$name" "$(</run/secrets/pod-join-token)" >&3
  read -r _ status _ <&3 || return
  while IFS= read -r line <&3 && [[ $line != $'\r' ]]; do :; done
  case $status in
    200) ;;
    401) said="the manager at http://$name does not know this task: that is another manager"; return 2 ;;
    409) said="the manager at http://$name has destroyed this worker"; return 2 ;;
    403) said="the manager at http://$name does not answer to that host name; start it with --allow-host"; return 2 ;;
    404) said="there is no POD manager of this version, with --backend swarm, at http://$name"; return 2 ;;
    *) said="the manager answered with HTTP status: $status"; return 1 ;;
  esac
}

# The starter is a program of bytes, which bash keeps apart by the zeros among them. The last one is a zero.
fetch() {
  ask starter || { local code=$?; printf '%s\n' "$said" >&2; return "$code"; }
  mapfile -d '' -t bytes <&3
  printf '%s\0' "${bytes[@]}" >"$home-starter" && chmod 755 "$home-starter" || return
  ask program || { local code=$?; printf '%s\n' "$said" >&2; return "$code"; }
  "$home-starter" unpack "$home" <&3
}

insist() {
  until said=$(fetch 2>&1); do
    [ $? -ne 2 ] || complain "${said##*$'\n'}"
    ((SECONDS < patience)) ||
      complain "POD's program could not be fetched from the manager at http://$name within $patience s: ${said##*: }"
    read -rt 1 -u 4
  done
}

insist &
while kill -0 $! 2>/dev/null; do
  read -rt 0.1 -u 4
  # A connection that nobody answers hangs for longer than that.
  ((SECONDS < patience + 5)) ||
    complain "POD's program could not be fetched from the manager at http://$name within $patience s: no answer"
done
wait $! || exit 1
exec 3>&- 4>&-
exec "$@"
