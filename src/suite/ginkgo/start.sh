# Prepares the suite's folder and starts the suite.
set -eu
root=@ROOT@
suite=@SUITE@
bin=@BIN@

if [ -z "$root" ] && systemctl is-active --quiet @UNIT@.service; then
  echo "the unit @UNIT@ is still running; stop it first" >&2
  exit 75
fi
for name in kubelet ginkgo e2e_node.test; do
  if [ ! -x "$bin/$name" ]; then
    echo "$bin/$name is missing or cannot be run" >&2
    exit 66
  fi
done

rm -rf "$suite"
mkdir -p "$suite/ws" "$suite/out"
cd "$suite/ws"
ln -s "$bin/kubelet" "$bin/ginkgo" "$bin/e2e_node.test" .
for name in mounter gcp-credential-provider; do
  # Since Kubernetes 1.37 these are the test binary under other names.
  if [ -e "$bin/$name" ]; then ln -s "$bin/$name" .; else ln -s e2e_node.test "$name"; fi
done

cat > @KUBELET_CONFIG@ <<'@END@'
@KUBELET@
@END@
cat > "$suite/run.sh" <<'@END@'
@RUN@
@END@

if [ -z "$root" ]; then
  # An earlier suite leaves its kubelet when it was killed, or has no sudo to stop it with.
  systemctl stop 'kubelet-*.service' 2>/dev/null || :
  systemctl reset-failed @UNIT@.service 'kubelet-*.service' 2>/dev/null || :
  # The runner alone gets SIGTERM; it hands it to ginkgo, which still writes its reports.
  systemd-run --quiet --collect --unit=@UNIT@ --description=@DESCRIPTION@ \
    -p KillMode=mixed -p TimeoutStopSec=120s \
    -p "ExecStopPost=/bin/sh $suite/run.sh ended" \
    /bin/sh "$suite/run.sh"
else
  setsid /bin/sh "$suite/run.sh" </dev/null >/dev/null 2>&1 &
  echo $! > "$suite/pid"
fi
