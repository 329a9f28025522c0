#!/bin/sh
# The last step of the image, inside it.
set -eu
rm -f /etc/kernel/postinst.d/dracut
echo 'LABEL=root / ext4 defaults,x-systemd.growfs 0 0' > /etc/fstab
# What would wait for a person, or work on caches that a node does not use.
systemctl mask --quiet \
    systemd-firstboot.service \
    systemd-journald-audit.socket \
    systemd-hwdb-update.service \
    systemd-journal-catalog-update.service \
    ldconfig.service \
    sshd-keygen.service \
    e2scrub_reap.service \
    getty@tty1.service
mkdir -p /etc/systemd/system-generators
ln -sf /dev/null /etc/systemd/system-generators/systemd-ssh-generator
dracut --force --kver "$(ls /lib/modules)"
dpkg-query --show --showformat '${Package}=${Version}\n' > /usr/lib/bellwether/packages
