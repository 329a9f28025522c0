# Makes a restored guest a machine of its own. Its random pool first: keys are made from it.
{ date -u -s "@$NOW" >/dev/null && echo "$ENTROPY" > /dev/urandom; } || exit 1
# Mixing in is not reseeding; without perl the kernel does it within a minute, or at once by its VM generation id.
perl -e 'open my $r, "+<", "/dev/urandom"; ioctl $r, 0x5207, 0' 2>/dev/null
echo "$MACHINE_ID" > /etc/machine-id || exit 1
if [ -d /etc/ssh ]; then
  rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
  ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key || exit 1
fi
# The server takes its new key, and the journal the new machine id, a moment later: nobody has to wait for them, and
# their starts would only take the processor from what is waited for.
setsid sh -c 'sleep 1
  pid=$(cat /run/sshd.pid 2>/dev/null) && kill -HUP "$pid" || systemctl reload sshd.service
  systemctl restart systemd-journald.service bellwether-journal.service' >/dev/null 2>&1 </dev/null &
