#!/bin/bash
# Sends the journal to the host when the initramfs gives up, and answers for kernel arguments.

check() {
    return 0
}

depends() {
    echo systemd systemd-emergency ignition
}

installkernel() {
    hostonly='' instmods virtio_console
}

install() {
    inst_multiple journalctl sh cat
    # Over the one of the ignition module, which only says that it is not supported.
    cp -f "$moddir/ignition-kargs-helper.sh" "$initdir/usr/sbin/ignition-kargs-helper"
    inst_simple "$moddir/bellwether-ignition-journal.service" \
        "$systemdsystemunitdir/bellwether-ignition-journal.service"
    $SYSTEMCTL -q --root "$initdir" add-wants emergency.target bellwether-ignition-journal.service
}
