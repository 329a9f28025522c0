# Stops the suite and what it started, and waits for that. Fine when nothing runs.
root=@ROOT@
suite=@SUITE@
if [ -z "$root" ]; then
  systemctl stop @UNIT@.service 2>/dev/null
  systemctl stop 'kubelet-*.service' 2>/dev/null
  exit 0
fi
[ -e "$suite/pid" ] || exit 0
pid=$(cat "$suite/pid")
kill -s TERM "$pid" 2>/dev/null
tries=0
while kill -s 0 -- "-$pid" 2>/dev/null; do
  tries=$((tries + 1))
  if [ "$tries" -eq 450 ]; then
    # `timeout` leads a group of its own.
    kill -s KILL -- "-$(cat "$suite/child")" 2>/dev/null
    kill -s KILL -- "-$pid" 2>/dev/null
  fi
  if [ "$tries" -ge 500 ]; then break; fi
  sleep 0.1
done
rm -f "$suite/pid"
exit 0
