# Runs the suite and says how it ended. systemd calls `run.sh ended` after it, however it ended.
set -u
root=@ROOT@
suite=@SUITE@
ports=@PORTS@
limit=@LIMIT@
out="$suite/out"

say_end() {
  [ ! -e "$out/exit.json" ] || return 0
  printf '%s\n' "$1" > "$out/exit.json.new"
  sync "$out/exit.json.new" "$out/suite.log" 2>/dev/null
  mv "$out/exit.json.new" "$out/exit.json"
}

tell_host() {
  [ ! -e "$suite/told" ] || return 0
  : > "$suite/told"
  # A port that nobody reads blocks for ever.
  if [ -e "$ports/bellwether.status" ]; then
    timeout 10 sh -c 'cat "$1" >> "$2"' - "$out/exit.json" "$ports/bellwether.status"
  fi
}

if [ "${1-}" = ended ]; then
  case "${EXIT_STATUS-}" in
    HUP) signal=1 ;; INT) signal=2 ;; QUIT) signal=3 ;; ILL) signal=4 ;; ABRT) signal=6 ;;
    BUS) signal=7 ;; FPE) signal=8 ;; KILL) signal=9 ;; SEGV) signal=11 ;; TERM) signal=15 ;;
    *) signal= ;;
  esac
  if [ -n "$signal" ]; then
    say_end "{\"signal\":$signal}"
  else
    say_end "{\"status\":${EXIT_STATUS:-255}}"
  fi
  tell_host
  exit 0
fi

export HOME=/root
export PATH=@PATH@
cd "$suite/ws" || exit 1
started=$(date +%s)
stopped=
: > "$out/suite.log"
timeout -k 30s "${limit}s" @COMMAND@ >> "$out/suite.log" 2>&1 </dev/null &
child=$!
echo "$child" > "$suite/child"
trap 'stopped=1; kill -TERM "$child" 2>/dev/null' TERM INT HUP

# Apart from the suite, so that a port that nobody reads cannot hold the suite up.
stream=
if [ -e "$ports/bellwether.suite" ]; then
  tail -c +1 -f --pid="$child" "$out/suite.log" >> "$ports/bellwether.suite" 2>/dev/null &
  stream=$!
fi

# A signal ends `wait` early; the child is over only when it cannot be signalled any more.
while :; do
  wait "$child"
  status=$?
  kill -0 "$child" 2>/dev/null || break
done
seconds=$(($(date +%s) - started))
if [ -n "$stopped" ]; then
  end="\"signal\":15"
elif [ "$status" -eq 124 ]; then
  end="\"status\":124,\"timed_out\":true"
elif [ "$status" -eq 137 ] && [ "$seconds" -ge "$limit" ]; then
  end="\"signal\":9,\"timed_out\":true"
elif [ "$status" -gt 128 ]; then
  end="\"signal\":$((status - 128))"
else
  end="\"status\":$status"
fi
say_end "{$end,\"seconds\":$seconds}"

if [ -z "$root" ]; then
  systemctl stop 'kubelet-*.service' 2>/dev/null
fi
if [ -n "$stream" ]; then
  # `tail` ends by itself within a second, unless nobody reads the port.
  timeout 10 sh -c 'while kill -0 "$1" 2>/dev/null; do sleep 0.1; done' - "$stream"
  kill "$stream" 2>/dev/null
fi
tell_host
